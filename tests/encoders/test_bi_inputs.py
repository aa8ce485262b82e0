"""What `encode` takes, what it gives, and what it says of what it cannot take."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reference import cosine_distance, sentence_vectors
from sememe import BiEncoder
from sememe.errors import InputError, SememeWarning, TruncationWarning
from tiny_models import HIDDEN, TEXTS, Linear, Tiny, make_checkpoint


def refusal(call: Any, *args: Any, **options: Any) -> str:
    """What is said of an input that cannot be used; always one line."""
    with pytest.raises(InputError) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- texts ---


def test_one_text_gives_one_vector(encoder: BiEncoder) -> None:
    vector = encoder.encode("a clean car")
    assert vector.shape == (encoder.dim,)
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, encoder.encode(["a clean car"])[0], atol=1e-6)


def test_no_texts_give_no_vectors(encoder: BiEncoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dim)
    assert encoder.encode([], dtype="float16").dtype == np.float16
    assert encoder.encode([], truncate_dim=5).shape == (0, 5)
    assert encoder.encode_tokens([]) == []


def test_the_empty_string_is_a_text_like_any_other(encoder: BiEncoder, tiny: Tiny) -> None:
    found = encoder.encode(["", "a wind", ""])
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_allclose(found, sentence_vectors(tiny, ["", "a wind", ""]), atol=1e-4)


def test_any_iterable_of_texts(encoder: BiEncoder) -> None:
    expected = encoder.encode(TEXTS)
    np.testing.assert_array_equal(encoder.encode(text for text in TEXTS), expected)
    np.testing.assert_array_equal(encoder.encode(tuple(TEXTS)), expected)
    np.testing.assert_array_equal(encoder.encode(np.array(TEXTS)), expected)
    np.testing.assert_array_equal(encoder.encode(np.array(TEXTS, dtype=object)), expected)
    np.testing.assert_array_equal(encoder.encode(dict.fromkeys(TEXTS).keys()), expected)


def test_half_a_surrogate_pair_is_read_as_unknown_with_one_warning(encoder: BiEncoder) -> None:
    broken = ["fine", "a \ud83d car", "\udc80\udc80", "a \ud83d car"]
    with pytest.warns(SememeWarning, match=r"3 of 4 texts \(first: texts\[1\]\)") as caught:
        found = encoder.encode(broken)
    assert len(caught) == 1
    whole = encoder.encode(["fine", "a \ufffd car", "\ufffd\ufffd", "a \ufffd car"])
    np.testing.assert_array_equal(found, whole)
    assert broken[1] == "a \ud83d car"


@pytest.mark.slow
def test_a_text_of_a_megabyte(encoder: BiEncoder) -> None:
    long = "the wind is cheap " * 60_000
    with pytest.warns(TruncationWarning, match="1 of 2 texts"):
        found = encoder.encode([long, "the"])
    cut = encoder.encode("the wind is cheap " * 7 + "the wind")  # 30 tokens and 2 special ones
    assert cosine_distance(found[0], cut).max() < 1e-6


@pytest.mark.parametrize("wrong", [None, 3, b"bytes", ["nested"], float("nan")])
def test_what_is_no_text_is_named_by_its_index(encoder: BiEncoder, wrong: object) -> None:
    said = refusal(encoder.encode, ["fine", wrong, 7])
    assert "texts[1]" in said
    assert (type(wrong).__name__ in said) or f"is missing ({wrong!r})" in said


def test_texts_that_cannot_be_listed(encoder: BiEncoder) -> None:
    assert "texts is an int; give an iterable of str" in refusal(encoder.encode, 12)
    assert "texts is a single bytes" in refusal(encoder.encode, b"bytes")


# --- what comes out ---


def test_float16(encoder: BiEncoder) -> None:
    found = encoder.encode(TEXTS, dtype="float16")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, encoder.encode(TEXTS).astype(np.float16))


def test_truncated_vectors_are_normalised_again(encoder: BiEncoder, tiny: Tiny) -> None:
    found = encoder.encode(TEXTS, truncate_dim=10)
    assert found.shape == (len(TEXTS), 10)
    expected = sentence_vectors(tiny, TEXTS)[:, :10]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("size", [0, -1, HIDDEN + 1])
def test_a_size_that_cannot_be_truncated_to(encoder: BiEncoder, size: int) -> None:
    said = refusal(encoder.encode, ["a"], truncate_dim=size)
    assert f"truncate_dim={size}" in said
    assert str(HIDDEN) in said


def test_the_checkpoint_s_own_truncate_dim(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, truncate_dim=12)
    encoder = BiEncoder(tmp_path, precision="f32")
    assert encoder.dim == 12
    assert encoder.encode(["a", "b"]).shape == (2, 12)
    assert encoder.encode(["a", "b"], truncate_dim=HIDDEN).shape == (2, HIDDEN)


@pytest.mark.slow
def test_normalize_follows_the_checkpoint_or_the_user(tmp_path: Path) -> None:
    pooled = make_checkpoint(tmp_path / "pooled")
    make_checkpoint(tmp_path / "unit", head=["normalize"])
    expected = sentence_vectors(pooled, TEXTS)
    unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    for name, default in (("pooled", expected), ("unit", unit)):
        encoder = BiEncoder(tmp_path / name, precision="f32")
        np.testing.assert_allclose(encoder.encode(TEXTS), default, atol=1e-4)
        np.testing.assert_allclose(encoder.encode(TEXTS, normalize=True), unit, atol=1e-4)
        np.testing.assert_allclose(encoder.encode(TEXTS, normalize=False), expected, atol=1e-4)


def test_normalize_in_the_middle_stays(tmp_path: Path) -> None:
    tiny = make_checkpoint(tmp_path, head=["normalize", Linear(8, "Identity")])
    found = BiEncoder(tmp_path, precision="f32").encode(TEXTS, normalize=False)
    np.testing.assert_allclose(found, sentence_vectors(tiny, TEXTS), atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"dtype": "int32"}, {"long": "wrap"}, {"prompt_name": "question"}],
    ids=str,
)
def test_an_option_that_is_not_known(encoder: BiEncoder, options: dict[str, str]) -> None:
    ((name, value),) = options.items()
    assert f"{name}={value!r} is not known" in refusal(encoder.encode, ["a"], **options)


# --- prompts ---


def test_prompts_stand_in_front_of_the_text(encoder: BiEncoder, tiny: Tiny) -> None:
    assert encoder.prompts == {"query": "the power : ", "passage": "a book : "}
    expected = sentence_vectors(tiny, TEXTS, "the power : ")
    np.testing.assert_allclose(encoder.encode(TEXTS, prompt_name="query"), expected, atol=1e-4)
    np.testing.assert_allclose(encoder.encode(TEXTS, prompt="the power : "), expected, atol=1e-4)
    np.testing.assert_allclose(encoder.encode_query(TEXTS), expected, atol=1e-4)
    passages = sentence_vectors(tiny, TEXTS, "a book : ")
    np.testing.assert_allclose(encoder.encode_document(TEXTS), passages, atol=1e-4)


def test_queries_and_documents_take_the_user_s_prompt_first(encoder: BiEncoder) -> None:
    np.testing.assert_array_equal(
        encoder.encode_query(TEXTS, prompt_name="passage"), encoder.encode_document(TEXTS)
    )
    np.testing.assert_array_equal(encoder.encode_document(TEXTS, prompt=""), encoder.encode(TEXTS))


@pytest.mark.slow
@pytest.mark.parametrize("named", ["document", "passage", "corpus"])
def test_a_document_prompt_goes_by_three_names(tmp_path: Path, named: str) -> None:
    make_checkpoint(tmp_path, prompts={named: "the book: "})
    encoder = BiEncoder(tmp_path, precision="f32")
    np.testing.assert_array_equal(
        encoder.encode_document(["a"]), encoder.encode(["a"], prompt="the book: ")
    )
    np.testing.assert_array_equal(encoder.encode_query(["a"]), encoder.encode(["a"]))


@pytest.mark.slow
def test_a_default_prompt_is_taken_unless_the_user_wants_none(tmp_path: Path) -> None:
    tiny = make_checkpoint(
        tmp_path, layout="6.x", prompts={"q": "the wind "}, default_prompt="q", head=["normalize"]
    )
    encoder = BiEncoder(tmp_path, precision="f32")
    expected = sentence_vectors(tiny, TEXTS, "the wind ")
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-4)
    bare = sentence_vectors(tiny, TEXTS)
    np.testing.assert_allclose(encoder.encode(TEXTS, prompt=""), bare, atol=1e-4)


def test_an_unknown_prompt_names_those_there_are(encoder: BiEncoder) -> None:
    assert "passage, query" in refusal(encoder.encode, ["a"], prompt_name="question")
    assert "not both" in refusal(encoder.encode, ["a"], prompt_name="query", prompt="a")


# --- opening ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "f64"}, "precision='f64' is not known; there are auto, f32, bf16"),
        ({"engine": "jax"}, "engine='jax' is not known"),
        ({"device": "abacus"}, "device='abacus' is not there"),
    ],
    ids=str,
)
def test_an_encoder_that_cannot_be_opened(tiny: Tiny, options: dict[str, Any], said: str) -> None:
    assert said in refusal(BiEncoder, tiny.directory, **{"precision": "f32", **options})


# --- similarity ---


@pytest.mark.slow
def test_similarity_takes_the_checkpoint_s_measure(tmp_path: Path) -> None:
    vectors = np.array([[1, 0], [0, 2]], np.float32)
    for measure, expected in (("cosine", 0), ("dot", 0), ("euclidean", -(5**0.5)), (None, 0)):
        make_checkpoint(tmp_path / str(measure), similarity=measure)
        found = BiEncoder(tmp_path / str(measure), precision="f32").similarity(vectors, vectors)
        assert found.dtype == np.float32
        assert found[0, 1] == pytest.approx(expected)
    make_checkpoint(tmp_path / "l1", similarity="manhattan")
    assert BiEncoder(tmp_path / "l1", precision="f32").similarity(vectors, vectors)[0, 1] == -3


@pytest.mark.parametrize("option", [{"normalize": True}, {"truncate_dim": 8}, {"dtype": "float16"}])
def test_options_of_sentences_are_refused_for_tokens(
    encoder: BiEncoder, option: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match=r"encode_tokens\(\) has no"):
        encoder.encode_tokens(["a"], **option)
