"""Static encoders equal the library that wrote them, and refuse a table that lies."""

import importlib.util
import json
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from processes import run_python
from sememe import BiEncoder, CrossEncoder, StaticEncoder, quantize
from sememe.checkpoint import read
from sememe.errors import CheckpointError, InputError, ModelNotFound, TruncationWarning
from static_models import (
    DIM,
    GIVEN,
    LONG,
    make_model2vec,
    make_static_embedding,
    table,
    unigrams,
    word_pieces,
)
from tiny_models import TEXTS, Tiny, edit_json

ROWS = word_pieces().get_vocab_size()
MAPPING = np.random.default_rng(2).integers(0, 9, ROWS)
NARROW = MAPPING.astype(np.int32)
WEIGHTS = np.random.default_rng(3).uniform(0.1, 2, ROWS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What model2vec saves, vocabulary quantised."""
    made = tmp_path_factory.mktemp("static") / "model"
    make_model2vec(made, word_pieces(), vectors=table(9), token_mapping=MAPPING, weights=WEIGHTS)
    return made


@pytest.fixture(scope="module")
def static(folder: Path) -> StaticEncoder:
    return StaticEncoder(folder)


# --- the vectors are the libraries' ---


@pytest.mark.parametrize(
    ("parts", "within"),
    [
        ({}, 1e-5),
        ({"normalize": False}, 1e-5),
        ({"vectors": table(ROWS).astype(np.float16)}, 1e-3),  # model2vec rounds to float16
        ({"vectors": np.rint(table(ROWS) * 40).astype(np.int8), "normalize": False}, 1e-4),
        ({"weights": WEIGHTS}, 1e-5),
        ({"vectors": table(9), "token_mapping": MAPPING}, 1e-5),
        ({"vectors": table(9), "token_mapping": NARROW, "weights": WEIGHTS}, 1e-5),
        ({"max_length": None}, 1e-5),
    ],
    ids=["plain", "not normalised", "float16", "int8", "weights", "mapping", "both", "all"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
def test_vectors_equal_model2vec_s(tmp_path: Path, parts: dict[str, Any], within: float) -> None:
    reference = make_model2vec(tmp_path, word_pieces(), **parts)
    for kind in (StaticEncoder, BiEncoder):
        found = kind(tmp_path).encode(GIVEN)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, reference.encode(GIVEN), atol=within)


def test_a_long_text_is_cut_by_its_tokens_only(tmp_path: Path) -> None:
    # model2vec takes the first 512 × 3 characters, 3 being the median length of a token here.
    text = "the dangerous remote children " * 60
    reference = make_model2vec(tmp_path, word_pieces())
    found = StaticEncoder(tmp_path).encode(text)
    assert np.abs(found - reference.encode(text)).max() > 1e-3
    np.testing.assert_allclose(found, reference.encode(text, max_length=None), atol=1e-5)


@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
def test_vectors_equal_model2vec_s_on_unigrams(tmp_path: Path) -> None:
    reference = make_model2vec(tmp_path, unigrams())
    np.testing.assert_allclose(
        StaticEncoder(tmp_path).encode(GIVEN), reference.encode(GIVEN), atol=1e-5
    )


def test_a_model2vec_folder_without_modules_is_read_by_its_config(
    folder: Path, static: StaticEncoder, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "modules.json").unlink()
    edit_json(tmp_path / "config.json", model_type="model2vec")
    np.testing.assert_array_equal(StaticEncoder(tmp_path).encode(TEXTS), static.encode(TEXTS))


@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_equal_sentence_transformers(tmp_path: Path, normalize: bool) -> None:
    reference = make_static_embedding(tmp_path, word_pieces(), normalize)
    expected = reference.encode(GIVEN)
    found = StaticEncoder(tmp_path)
    np.testing.assert_allclose(found.encode(GIVEN), expected, atol=1e-5)
    np.testing.assert_allclose(found.encode_query(GIVEN), expected, atol=1e-5)
    assert read(tmp_path).normalized is normalize


def test_a_static_embedding_in_a_folder_of_its_own(tmp_path: Path) -> None:
    reference = make_static_embedding(tmp_path, word_pieces())
    inner = tmp_path / "0_StaticEmbedding"
    inner.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).rename(inner / name)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[0]["path"] = "0_StaticEmbedding"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    np.testing.assert_allclose(
        StaticEncoder(tmp_path).encode(GIVEN), reference.encode(GIVEN), atol=1e-5
    )


def test_a_limit_in_the_tokenizer_s_file_is_told_of_when_it_cuts(tmp_path: Path) -> None:
    tokenizer = word_pieces()
    tokenizer.enable_truncation(10)
    reference = make_static_embedding(tmp_path, tokenizer)
    encoder = StaticEncoder(tmp_path)
    assert encoder.max_length == 10
    with pytest.warns(TruncationWarning, match="longer than the 10 tokens"):
        found = encoder.encode(GIVEN)
    np.testing.assert_allclose(found, reference.encode(GIVEN), atol=1e-5)


# --- WordLlama's packaged table ---


@pytest.fixture(scope="module")
def wordllama() -> Any:
    if importlib.util.find_spec("wordllama") is None:
        pytest.skip("wordllama is not installed")
    from wordllama import WordLlama

    # Its own search for the tokenizer misses the packaged file's folder by one letter.
    package = Path(sys.modules["wordllama"].__file__ or "").parent
    return WordLlama.load(cache_dir=package, disable_download=True)


@pytest.mark.slow
def test_vectors_equal_wordllama_s(wordllama: Any) -> None:
    encoder = StaticEncoder("wordllama")
    np.testing.assert_allclose(encoder.encode(GIVEN), wordllama.embed(GIVEN), atol=1e-5)
    words = [text for text in GIVEN if text]  # WordLlama divides the empty text by 0
    np.testing.assert_allclose(
        encoder.encode(words, normalize=True), wordllama.embed(words, norm=True), atol=1e-5
    )
    assert not encoder.encode("", normalize=True).any()


@pytest.mark.slow
@pytest.mark.usefixtures("wordllama")
def test_wordllama_is_found_without_being_imported_and_without_openvino() -> None:
    ran = run_python(
        """
        import sys, sememe
        print(sememe.StaticEncoder("wordllama").encode("a cat").shape)
        print({"wordllama", "openvino", "torch", "requests"} & set(sys.modules))
        """
    )
    assert ran.stdout.splitlines() == ["(256,)", "set()"]


# --- the face of a bi-encoder ---


words = st.sampled_from(["the", "wind", "is", "zebra", "日本", "[UNK]", "café", "", "\t", "power,"])
texts = st.lists(words, max_size=6).map(" ".join)


@settings(max_examples=40)
@given(company=st.lists(texts, max_size=30), text=texts)
def test_a_text_has_one_vector_in_any_company(
    static: StaticEncoder, company: list[str], text: str
) -> None:
    among = static.encode([*company, text, *company[:1]])[len(company)]
    np.testing.assert_allclose(static.encode(text), among, atol=1e-6)


def test_token_vectors_are_what_the_mean_is_of(static: StaticEncoder) -> None:
    texts = ["wind power", "", "the 日本 bus"]
    tokens = static.encode_tokens(texts)
    assert [states.shape for states in tokens] == [(2, DIM), (0, DIM), (4, DIM)]
    assert [int((~states.any(axis=1)).sum()) for states in tokens] == [0, 0, 2]  # unknown ones
    means = [states[states.any(axis=1)].mean(axis=0) for states in tokens if len(states)]
    np.testing.assert_allclose(
        static.encode(texts, normalize=False)[[0, 2]], np.stack(means), atol=1e-5
    )


def test_small_vectors_need_no_quantizing(static: StaticEncoder) -> None:
    for options in ({}, {"normalize": False}, {"truncate_dim": 8}):
        exact = static.encode(TEXTS[:3], **options)
        small = static.encode(TEXTS[:3], dtype="int8", **options)
        assert small.dtype == np.int8
        np.testing.assert_allclose(
            static.similarity(small, small), static.similarity(exact, exact), atol=0.02
        )
        alone = static.encode(TEXTS[0], dtype="int8", **options)
        np.testing.assert_array_equal(alone, small[0])
    bits = np.unpackbits(static.encode(TEXTS, dtype="binary"), axis=1)
    np.testing.assert_array_equal(bits, static.encode(TEXTS) > 0)


@pytest.mark.filterwarnings("ignore::sememe.errors.TruncationWarning")
def test_to_disk_and_back(static: StaticEncoder, tmp_path: Path) -> None:
    assert static.encode_to(GIVEN, tmp_path / "x.npy").rows == len(GIVEN)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), static.encode(GIVEN))


def test_what_it_says_of_itself(static: StaticEncoder, folder: Path) -> None:
    assert (static.dim, static.max_length, static.precision) == (DIM, 512, "f32")
    assert static.prompts == {}
    assert read(folder).kind == "static encoder"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert BiEncoder(folder, device="cpu", pooling="mean").fingerprint == static.fingerprint


def test_the_fingerprint_follows_the_table_and_the_limit(
    static: StaticEncoder, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    edit_json(tmp_path / "config.json", max_length=99)
    limited = StaticEncoder(tmp_path).fingerprint
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["embeddings"][0, 0] += 1
    save_file(tensors, tmp_path / "model.safetensors")
    assert len({static.fingerprint, limited, StaticEncoder(tmp_path).fingerprint}) == 3


def test_what_is_cut_is_counted(static: StaticEncoder) -> None:
    with pytest.warns(TruncationWarning, match=r"1 of 2 texts were longer than the 512 tokens"):
        static.encode(["a", LONG])
    with pytest.raises(InputError, match=r"texts\[1\] has 700 tokens and the model reads 512"):
        static.encode(["a", LONG], long="error")


# --- refusals ---


@pytest.mark.parametrize(
    "asked",
    [{"precision": "bf16"}, {"precision": "int8"}, {"engine": "openvino"}, {"device": "cuda"},
     {"pooling": "cls"}],
    ids=str,
)  # fmt: skip
def test_what_a_mean_cannot_do_is_refused(folder: Path, asked: dict[str, str]) -> None:
    ((argument, value),) = asked.items()
    with pytest.raises(InputError) as caught:
        BiEncoder(folder, **asked)  # type: ignore[arg-type]
    assert f"{argument}=" in str(caught.value)
    assert value in str(caught.value)
    assert "static encoder" in str(caught.value)


def test_other_doors_say_what_it_is(folder: Path, tiny: Tiny) -> None:
    with pytest.raises(InputError, match="is a bi-encoder, not a static encoder"):
        StaticEncoder(tiny.directory)
    with pytest.raises(CheckpointError, match="is a static encoder: open it with BiEncoder"):
        CrossEncoder(folder)
    with pytest.raises(InputError, match="is a static encoder, which computes in f32"):
        quantize(folder)


Tensors = dict[str, np.ndarray]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["mapping"].__setitem__(5, 9), "'mapping' gives a token the row 9, and 'emb"),
        (lambda t: t["mapping"].__setitem__(5, -1), "'mapping' gives a token the row -1"),
        (lambda t: t.update(mapping=t["mapping"] + 0.5), "'mapping' gives a token the row"),
        (
            lambda t: t.update(mapping=t["mapping"][:-9], weights=t["weights"][:-9]),
            "the tokenizer and the weights are not of the same model",
        ),
        (lambda t: t.update(weights=t["weights"][:-1]), "'weights' has shape"),
        (lambda t: t["embeddings"].__setitem__((3, 3), np.nan), "'embeddings' has a NaN"),
        (lambda t: t["weights"].__setitem__(3, np.inf), "'weights' has a NaN or an infinity"),
        (lambda t: t.update(embeddings=t["embeddings"].astype(np.uint8)), "stored as U8; read are"),
        (lambda t: t.update(embeddings=t["embeddings"][0]), "'embeddings' has shape [24]; a table"),
        (lambda t: t.pop("embeddings"), "the tensor 'embedding.weight' is missing"),
    ],
)  # fmt: skip
def test_a_table_that_lies_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[Tensors], object], said: str
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    tensors = load_file(tmp_path / "model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        StaticEncoder(tmp_path).encode(["wind the bus", "less than more"])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_behind_the_table_that_is_not_read(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[1]["type"] = "sentence_transformers.models.Dense"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match="after a StaticEmbedding, sememe reads a Normalize"):
        StaticEncoder(tmp_path)


def test_a_name_that_is_nowhere() -> None:
    with pytest.raises(ModelNotFound):
        StaticEncoder("./nowhere")


@pytest.mark.parametrize("layout", ["model2vec", "StaticEmbedding"])
def test_a_static_encoder_is_saved_in_its_own_layout(tmp_path: Path, layout: str) -> None:
    make = make_model2vec if layout == "model2vec" else make_static_embedding
    theirs = make(tmp_path / "a", word_pieces())
    encoder = StaticEncoder(tmp_path / "a")
    encoder.save(tmp_path / "b")
    again = StaticEncoder(tmp_path / "b")
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))
    assert again.fingerprint == encoder.fingerprint
    reader = type(theirs)
    loaded = (
        reader.from_pretrained(tmp_path / "b")
        if layout == "model2vec"
        else reader(str(tmp_path / "b"), device="cpu")
    )
    np.testing.assert_allclose(loaded.encode(TEXTS), encoder.encode(TEXTS), atol=1e-5)


@pytest.mark.slow
def test_wordllama_s_table_is_saved(tmp_path: Path) -> None:
    encoder = StaticEncoder("wordllama")
    encoder.save(tmp_path / "copy")
    np.testing.assert_array_equal(
        StaticEncoder(tmp_path / "copy").encode(TEXTS), encoder.encode(TEXTS)
    )
