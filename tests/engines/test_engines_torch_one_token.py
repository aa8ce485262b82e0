"""The torch engine's last layer, for the one token that is read: the same as that of all tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sememe.checkpoint import Checkpoint, read
from sememe.checkpoint.modules import Pooling
from sememe.engines import Output
from sememe.engines.torch import runtime
from sememe.engines.torch.one_token import _PARTS, read_one_token
from sememe.engines.torch.runtime import TorchEngine
from sememe.engines.torch.speed import Unpadded, unpadded
from sememe.engines.torch.transformer import TransformerWithHead, load_transformer
from sememe.text import Batch, PairTokenizer, batches
from tiny_architectures import KINDS, make
from tiny_models import TEXTS, WORDS

PAIRS = [(a, b) for a in (TEXTS[0], "a", WORDS) for b in ("the power of books", *TEXTS[4:])]
# Products of few rows sum in another order than those of many, and weights as large as these make
# something of that.
ROUNDING = 5e-6
MODES = ("cls", "lasttoken", "pooler")


def computed(checkpoint: Checkpoint, output: Output, parts: list[Batch]) -> list[np.ndarray]:
    engine = TorchEngine(checkpoint, output, precision="f32", device="cpu")
    return [values for _, values in engine.run(parts)]


def parts_of(checkpoint: Checkpoint) -> list[Batch]:
    """One pair, a ragged few, and all."""
    tokens = PairTokenizer(checkpoint)(PAIRS)
    groups = [np.arange(1), np.arange(1, 4), np.arange(len(PAIRS))]
    return [batch for group in groups for batch in batches(tokens, group, 256)]


def rows_of(module: TransformerWithHead, name: str, *arguments: Any) -> list[int]:
    """How many rows each product of that name computes."""
    rows = []
    hooks = [
        part.register_forward_hook(lambda *ends: rows.append(ends[2].shape[:-1].numel()))
        for path, part in module.named_modules()
        if path.endswith(name)
    ]
    module(*arguments)
    for hook in hooks:
        hook.remove()
    return rows


def opened(
    folder: Path, output: Output, *, without_padding: bool = False
) -> tuple[TransformerWithHead, tuple[torch.Tensor, torch.Tensor]]:
    """A module on all tokens, and three texts of it."""
    checkpoint = read(folder)
    transformer = load_transformer(checkpoint, output, torch.float32, trust_remote_code=False)
    if without_padding:
        transformer = unpadded(transformer)
        assert any(isinstance(part, Unpadded) for part in transformer.modules())
    size = 3 if output == "scores" else checkpoint.hidden_size
    module = TransformerWithHead(checkpoint, output, transformer, size).eval()
    return module, (torch.arange(5, 38).view(3, 11), torch.tensor([7, 11, 2]))


def test_every_architecture_that_is_tested_here_is_known() -> None:
    assert set(_PARTS) == set(KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_all_tokens(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = read(make(tmp_path, kind).classifier)
    parts = parts_of(checkpoint)
    results = computed(checkpoint, "scores", parts)
    monkeypatch.setattr(runtime, "read_one_token", lambda *_: None)
    expected = computed(checkpoint, "scores", parts)
    for values, others in zip(results, expected, strict=True):
        np.testing.assert_allclose(values, others, rtol=0, atol=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "roberta", "modernbert"])
@pytest.mark.parametrize("mode", MODES)
def test_vectors_are_those_of_all_tokens(
    kind: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if mode == "pooler" and kind != "bert":
        pytest.skip("no pooler in its checkpoint")
    checkpoint = read(make(tmp_path, kind).encoder)
    for skip in (0, 3):
        parts = [Batch(x.rows, x.ids, x.lengths, skip=skip) for x in parts_of(checkpoint)]
        parts[1].lengths[:2] = 1, 0  # a text of one token, and one of none
        monkeypatch.undo()
        results = computed(checkpoint, Pooling((mode,), not skip), parts)
        monkeypatch.setattr(runtime, "read_one_token", lambda *_: None)
        expected = computed(checkpoint, Pooling((mode,), not skip), parts)
        for values, others in zip(results, expected, strict=True):
            np.testing.assert_allclose(
                values, others, rtol=0, atol=1e-6 * max(1, np.abs(others).max())
            )


@pytest.mark.parametrize(
    ("kind", "product"), [("bert", ".intermediate.dense"), ("modernbert", ".mlp.Wi")]
)
@pytest.mark.parametrize("without_padding", [False, True])
def test_the_last_layer_computes_a_row_a_text(
    kind: str, product: str, without_padding: bool, tmp_path: Path
) -> None:
    folder = make(tmp_path, kind, num_hidden_layers=2).classifier
    module, texts = opened(folder, "scores", without_padding=without_padding)
    with torch.inference_mode():
        expected, tokens = module(*texts), rows_of(module, product, *texts)
        assert tokens == ([20, 20] if without_padding else [33, 33])
        hooks = read_one_token(module, "scores")
        assert hooks is not None
        assert rows_of(module, product, *texts) == [tokens[0], 3]
        torch.testing.assert_close(module(*texts), expected, rtol=1e-5, atol=1e-5)
        inputs = {"input_ids": texts[0], "attention_mask": torch.ones_like(texts[0])}
        states = module.transformer.base_model(**inputs)[0]
        hooks.remove()
        assert torch.equal(module.transformer.base_model(**inputs)[0], states)
        assert rows_of(module, product, *texts) == tokens


@pytest.mark.parametrize(
    "output", ["tokens", Pooling(("mean",)), Pooling(("cls", "mean")), Pooling(("max",))]
)
def test_what_reads_more_computes_all_tokens(output: Output, tmp_path: Path) -> None:
    module, texts = opened(make(tmp_path, "bert").encoder, output)
    assert read_one_token(module, output) is None
    assert rows_of(module, ".intermediate.dense", *texts) == [33, 33]


def test_a_head_that_reads_all_tokens_gets_them(tmp_path: Path) -> None:
    module, texts = opened(make(tmp_path, "modernbert").classifier, "scores")
    module.transformer.config.classifier_pooling = "mean"
    assert read_one_token(module, "scores") is None
    assert rows_of(module, ".mlp.Wi", *texts) == [33] * 4


def test_layers_that_compute_otherwise_are_left_alone(tmp_path: Path) -> None:
    output = Pooling(("lasttoken",))
    module, texts = opened(make(tmp_path, "bert").encoder, output)
    for part in module.modules():
        if hasattr(part, "chunk_size_feed_forward"):
            part.chunk_size_feed_forward = 1  # the feed-forward never sees the last token's place
    with torch.inference_mode():
        expected = module(*texts)
        assert read_one_token(module, output) is None
        assert torch.equal(module(*texts), expected)
