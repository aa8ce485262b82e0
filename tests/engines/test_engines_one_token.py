"""Where an output reads one token of a text, the last layer computes that token alone: bit-equal.

The graph of token vectors computes all of them, and is what these results are compared with.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sememe
from sememe import CrossEncoder
from sememe.checkpoint import Checkpoint, read
from sememe.checkpoint.modules import Pooling
from sememe.engines import Output, open_engine
from sememe.engines.openvino import graph
from sememe.engines.openvino.blocks import float_product
from sememe.engines.openvino.runtime import compiled_graphs, core
from sememe.engines.processor import multiplies_bf16, multiplies_int8
from sememe.text import Batch, PairTokenizer, batches
from tiny_architectures import Made, make
from tiny_models import WORDS

ROTATED = [" ".join(WORDS.split()[i : i + 1 + i % 4]) for i in range(50)]
PAIRS = [(a, b) for a in ROTATED[:6] for b in (*ROTATED[10:14], "a", WORDS)]
PRECISIONS = {"f32": True, "bf16": multiplies_bf16(core()), "int8": multiplies_int8()}

pytestmark = pytest.mark.filterwarnings("ignore::sememe.errors.SememeWarning")


# The three that differ in attention: no bias of its own, relative positions, a window.
@pytest.fixture(scope="module", params=["bert", "mpnet", "modernbert"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Made]:
    """A classifier of two layers, with ranges."""
    folder = tmp_path_factory.mktemp(request.param)
    model = make(folder, request.param, num_hidden_layers=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMEME_CACHE", str(folder / "cache"))
        if PRECISIONS["int8"]:
            sememe.quantize(model.classifier, texts=ROTATED)
        yield model


@pytest.fixture(params=PRECISIONS)
def precision(request: pytest.FixtureRequest) -> str:
    if not PRECISIONS[request.param]:
        pytest.skip(f"this processor has no {request.param}")
    return str(request.param)


def computed(
    checkpoint: Checkpoint, output: Output, precision: str, parts: list[Batch]
) -> list[np.ndarray]:
    engine = open_engine(checkpoint, output, precision=precision)
    return [values for _, values in engine.run(parts)]


def parts_of(checkpoint: Checkpoint, skip: int = 0) -> list[Batch]:
    """Batches of one pair, of a ragged few, of the shortest, and packed ones of all."""
    tokens = PairTokenizer(checkpoint)(PAIRS)
    shortest = np.flatnonzero(tokens.lengths == tokens.lengths.min())
    groups = [np.arange(1), np.arange(1, 4), shortest, np.arange(len(PAIRS))]
    packed = [batch for group in groups for batch in batches(tokens, group, 256)]
    return [replace(batch, skip=skip) for batch in packed]


@pytest.mark.slow
def test_a_pooled_token_is_that_of_all_tokens(made: Made, precision: str) -> None:
    checkpoint = read(made.classifier)
    tokens = open_engine(checkpoint, "tokens", precision=precision)
    for skip, modes in ((0, ["cls"]), (3, ["cls", "lasttoken"])):
        parts = parts_of(checkpoint, skip)
        parts[1].lengths[:2] = 1, 0  # a text of one token, and one of none
        states = [values for _, values in tokens.run(parts)]
        for mode in modes:
            results = computed(checkpoint, Pooling((mode,), not skip), precision, parts)
            for batch, expected, result in zip(parts, states, results, strict=True):
                place = np.maximum(batch.lengths - 1, 0)
                if mode == "cls":
                    place = np.where(skip < batch.lengths, skip, 0)
                np.testing.assert_array_equal(result, expected[np.arange(len(place)), place])


@pytest.mark.slow
def test_scores_are_those_of_the_whole_graph(
    made: Made, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = read(made.classifier)
    parts = parts_of(checkpoint)
    results = computed(checkpoint, "scores", precision, parts)
    fingerprint = CrossEncoder(made.classifier, precision=precision).fingerprint
    monkeypatch.setattr(graph, "_only_token", lambda *_: None)
    compiled_graphs().clear()  # conftest.py keeps the one above
    expected = computed(checkpoint, "scores", precision, parts)
    for values, others in zip(results, expected, strict=True):
        np.testing.assert_array_equal(values, others)
    assert CrossEncoder(made.classifier, precision=precision).fingerprint == fingerprint


@pytest.mark.parametrize(
    ("output", "is_one"),
    [
        (Pooling(("cls",)), True),
        (Pooling(("lasttoken",)), True),
        (Pooling(("pooler",)), True),
        (Pooling(("cls", "mean")), False),
        (Pooling(("mean",)), False),
        ("tokens", False),
    ],
)
def test_the_last_layer_computes_what_is_read(output: Output, is_one: bool, tmp_path: Path) -> None:
    checkpoint = read(make(tmp_path, "bert").encoder)
    names: list[str] = []

    def recorded(x: Any, name: str, weight: np.ndarray, token: Any = None) -> Any:
        product = float_product(x, name, weight, token)
        length = product.get_output_partial_shape(0)[1]
        names.extend([name] if length.is_static and length.get_length() == 1 else [])
        return product

    graph.build(checkpoint, output, recorded)
    last = ["attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense"]
    assert names == ([f"encoder.layer.1.{name}" for name in last] if is_one else [])
