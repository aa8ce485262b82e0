"""int8: ranges measured once, kept by the weights' hash, and as near to float32 as they say."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import sememe
from processes import run_python
from reference import cosine_distance
from sememe import BiEncoder
from sememe.checkpoint import read
from sememe.engines import openvino
from sememe.engines.openvino.int8 import LEVELS, int8_weight, steps
from sememe.engines.processor import automatic, multiplies_int8
from sememe.engines.ranges import Ranges, find_ranges
from sememe.errors import CheckpointError, InputError
from tiny_architectures import make
from tiny_models import WORDS, Tiny

TEXTS = [" ".join(WORDS.split()[i % 40 : i % 40 + 1 + i % 9]) + f" {i}" for i in range(200)]

needs_int8 = pytest.mark.skipif(not multiplies_int8(), reason="no int8 dot products here")
pytestmark = needs_int8


@pytest.fixture(scope="module")
def quantized(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ranges]:
    """A cache with the ranges of the tiny checkpoint, and these."""
    folder = tmp_path_factory.mktemp("quantized")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMEME_CACHE", str(folder))
        return folder, sememe.quantize(tiny.directory, texts=TEXTS)[0]


@pytest.fixture
def measured(
    quantized: tuple[Path, Ranges], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ranges:
    """Ranges of the tiny checkpoint, in a cache of the test's own."""
    folder, ranges = quantized
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path))
    return ranges


def kept(tiny: Tiny, folder: Path) -> Path:
    return folder / "ranges" / f"{read(tiny.directory).weights.sha256}.safetensors"


def rounded_to_int8(encoder: BiEncoder) -> list[bool]:
    """Of each product with weights: whether it is computed in int8."""
    engine = encoder._pipeline.engine
    nodes = engine._engine()._graph.model.get_runtime_model().get_ops()  # type: ignore[attr-defined]
    return [
        node.get_rt_info()["runtimePrecision"].astype(str).lower() in ("u8", "i8")
        for node in nodes
        if "FullyConnected" in node.get_rt_info()["layerType"].astype(str)
    ]


@pytest.mark.slow
def test_ranges_come_back_as_they_were_kept(measured: Ranges, tiny: Tiny) -> None:
    result = find_ranges(read(tiny.directory).weights.sha256)
    assert result is not None
    assert (result.digest, result.fidelity) == (measured.digest, measured.fidelity)
    assert result.fidelity.texts == 40


@pytest.mark.slow
def test_the_same_texts_give_the_same_ranges(measured: Ranges, tiny: Tiny) -> None:
    assert sememe.quantize(tiny.directory, texts=TEXTS)[0].digest == measured.digest
    assert sememe.quantize(tiny.directory, texts=TEXTS[:90])[0].digest != measured.digest


@pytest.mark.slow
def test_int8_is_as_near_to_float32_as_the_fidelity_says(measured: Ranges, tiny: Tiny) -> None:
    exact = BiEncoder(tiny.directory, precision="f32").encode(TEXTS[::5])
    result = BiEncoder(tiny.directory, precision="int8").encode(TEXTS[::5])
    distance = cosine_distance(result, exact)
    assert 1 - distance.mean() == pytest.approx(measured.fidelity.mean, abs=2e-3)
    assert 0 < distance.mean() < 0.02, "equal vectors would mean that nothing was rounded"


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
def test_products_are_computed_in_int8(tiny: Tiny) -> None:
    products = rounded_to_int8(BiEncoder(tiny.directory, precision="int8"))
    assert len(products) >= 6
    assert all(products), products


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
def test_the_same_text_has_the_same_vector_in_any_batch(tiny: Tiny) -> None:
    encoder = BiEncoder(tiny.directory, precision="int8")
    together = encoder.encode(TEXTS)
    alone = np.stack([encoder.encode(text) for text in TEXTS[:40]])
    assert cosine_distance(together[:40], alone).max() <= 1e-3


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
def test_the_fingerprint_holds_precision_and_ranges(tiny: Tiny) -> None:
    first = BiEncoder(tiny.directory, precision="int8").fingerprint
    assert first != BiEncoder(tiny.directory, precision="f32").fingerprint
    assert first == BiEncoder(tiny.directory, precision="int8").fingerprint
    sememe.quantize(tiny.directory, texts=TEXTS[:90])
    assert first != BiEncoder(tiny.directory, precision="int8").fingerprint


def test_without_ranges_int8_names_the_command(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path / "empty"))
    with pytest.raises(InputError, match="sememe quantize MODEL"):
        BiEncoder(tiny.directory, precision="int8")
    with pytest.raises(InputError, match="sememe quantize MODEL"):
        BiEncoder(tiny.directory, precision="f32").encode(["the sun"], dtype="int8")


def test_too_few_texts_are_refused(tiny: Tiny) -> None:
    with pytest.raises(InputError, match="3 different texts are too few"):
        sememe.quantize(tiny.directory, texts=["a", "b", "c", "a"])


@pytest.mark.slow
def test_auto_takes_int8_only_where_the_fidelity_is_good(measured: Ranges) -> None:
    core = openvino.openvino.Core()
    good = replace(measured, fidelity=replace(measured.fidelity, mean=0.999, least=0.99))
    assert automatic(core, good, "mean")[0] == "int8"
    for mean, least in ((0.99, 0.98), (0.999, 0.9)):
        bad = replace(measured, fidelity=replace(measured.fidelity, mean=mean, least=least))
        assert automatic(core, bad, "mean")[0] != "int8"
        assert "too far from f32" in automatic(core, bad, "mean")[1]
    assert "measured for mean and not for cls" in automatic(core, good, "cls")[1]
    assert "sememe quantize" in automatic(core, None, "mean")[1]


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_bytes(_of_another_version(path)), "format '9'"),
    ],
)
def test_damaged_ranges_are_told_of(
    tiny: Tiny, tmp_path: Path, damage: object, message: str
) -> None:
    path = kept(tiny, tmp_path)
    damage(path)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=message) as caught:
        BiEncoder(tiny.directory, precision="int8")
    assert "sememe quantize MODEL" in str(caught.value)


def _of_another_version(path: Path) -> bytes:
    return path.read_bytes().replace(rb"\"format\": \"1\"", rb"\"format\": \"9\"")


@pytest.mark.slow
@pytest.mark.usefixtures("measured")
def test_ranges_of_another_shape_are_refused(
    tiny: Tiny, default_model: str, tmp_path: Path
) -> None:
    other = read(default_model).weights.sha256
    shutil.copy(kept(tiny, tmp_path), tmp_path / "ranges" / f"{other}.safetensors")
    with pytest.raises(CheckpointError, match="do not fit"):
        BiEncoder(default_model, precision="int8")


@pytest.mark.slow
def test_the_default_model_ships_ranges_that_auto_takes(default_model: str, tmp_path: Path) -> None:
    ran = run_python(
        f"""
        import sememe
        encoder = sememe.BiEncoder({default_model!r})
        print(encoder.precision)
        """,
        SEMEME_CACHE=str(tmp_path),
    )
    assert ran.stdout.split() == ["int8"]
    assert "Computing in int8: about 3 times as fast" in ran.stderr


@pytest.mark.slow
def test_the_default_model_in_int8_is_near_float32(
    default_model: str, default_encoder: BiEncoder
) -> None:
    texts = ["Nuclear power is dangerous!", "Where is my card?", "ein Satz", "x" * 50, ""]
    exact = default_encoder.encode(texts)
    result = BiEncoder(default_model, precision="int8").encode(texts)
    assert cosine_distance(result, exact).max() < 0.03


@pytest.mark.slow
def test_the_command_keeps_and_shows_the_fidelity(tiny: Tiny, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS), encoding="utf-8")
    ran = run_python(
        f"""
        from sememe.cli import main
        main(["quantize", {str(tiny.directory)!r}, "--texts", {str(texts)!r}, "--json"])
        """,
        SEMEME_CACHE=str(tmp_path),
    )
    message = json.loads(ran.stdout)
    assert message["texts"] == 40
    assert message["source"] == str(texts)
    assert Path(message["file"]) == kept(tiny, tmp_path)


weights = arrays.arrays(
    np.float32, (5, 7), elements=st.floats(-100, 100, width=32, allow_subnormal=False)
)


@given(weights)
def test_a_rounded_weight_is_off_by_half_a_step_at_most(weight: np.ndarray) -> None:
    whole, scale = int8_weight(weight)
    assert whole.dtype == np.int8
    assert (np.abs(whole * scale - weight) <= scale * 0.5001).all()


@given(st.floats(-50, 0), st.floats(0.01, 50))
def test_zero_is_one_of_the_steps(low: float, high: float) -> None:
    size, zero = steps(low, high)
    assert 0 <= zero < LEVELS
    assert size > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.GuessWarning")
@pytest.mark.parametrize("kind", ["roberta", "mpnet", "distilbert", "electra", "modernbert"])
def test_every_architecture_is_rounded_as_far_as_its_fidelity_says(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path))
    folder = make(tmp_path, kind).encoder
    texts = TEXTS[:80]
    ranges, _ = sememe.quantize(folder, texts=texts)
    exact, rounded = (
        BiEncoder(folder, precision=precision, pooling="mean") for precision in ("f32", "int8")
    )
    # What projects ELECTRA's embeddings is no layer's, and stays in floats.
    assert rounded_to_int8(rounded).count(False) == (kind == "electra")
    distance = cosine_distance(rounded.encode(texts[::5]), exact.encode(texts[::5]))
    assert 1 - distance.mean() == pytest.approx(ranges.fidelity.mean, abs=2e-3)
    assert 0 < distance.mean() < 0.05, "equal vectors would mean that nothing was rounded"
