"""Pairs of texts against every pair looked at, and the texts and arguments that are refused."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import sememe
from sememe.errors import BlankWarning, InputError
from sememe.neighbors import normalized
from sememe.pairs import Pairs, find_pairs
from tiny_models import Tiny, make_cross_encoder

Found = list[tuple[int, int, float]]


class Letters:
    """The cosine of two texts is that of their letters' counts."""

    def encode(self, texts: list[str]) -> list[list[int]]:
        return [[text.count(letter) for letter in "abcd"] for text in texts]


def by_hand(texts: list[str], threshold: float) -> Found:
    """Every pair of different texts, and each copy with its first; a blank text is in no pair."""
    rows = normalized(Letters().encode(texts)) if texts else np.empty((0, 4), np.float32)
    found: Found = []
    for i, j in itertools.combinations([i for i, text in enumerate(texts) if text.strip()], 2):
        first, second = texts.index(texts[i]), texts.index(texts[j])
        score = float(rows[i] @ rows[j])
        if (first, second) == (i, j) and score >= threshold:
            found.append((i, j, score))
        elif first == i == second:
            found.append((i, j, 1.0))
    return sorted(found, key=lambda pair: (-pair[2], pair[0], pair[1]))


def listed(found: Pairs) -> Found:
    assert [str(part.dtype) for part in (found.first, found.second)] == ["int32"] * 2
    assert found.score.dtype == np.float32
    return list(zip(found.first.tolist(), found.second.tolist(), found.score.tolist(), strict=True))


TEXTS = st.lists(st.text("abcd ", max_size=4), max_size=30)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
# No cosine of such counts is so near to these that rounding could decide.
@given(texts=TEXTS, threshold=st.sampled_from([-0.5, 0.31, 0.61, 0.83, 0.97, 0.999]))
def test_all_pairs_over_a_threshold_and_all_copies_are_found(
    texts: list[str], threshold: float
) -> None:
    found = sememe.find_pairs(texts, Letters(), threshold=threshold)
    expected = by_hand(texts, threshold)
    assert sorted(pair[:2] for pair in listed(found)) == sorted(pair[:2] for pair in expected)
    np.testing.assert_allclose(found.score, [pair[2] for pair in expected], atol=1e-6)
    assert listed(found) == sorted(listed(found), key=lambda pair: (-pair[2], pair[0], pair[1]))
    assert (found.threshold, found.why) == (threshold, None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
@given(texts=TEXTS, top=st.integers(1, 40))
def test_top_is_the_beginning_of_all_pairs(texts: list[str], top: int) -> None:
    every = listed(sememe.find_pairs(texts, Letters(), threshold=-0.5))
    found = sememe.find_pairs(texts, Letters(), top=top)
    assert listed(found) == every[:top]
    assert found.threshold == (every[:top][-1][2] if every else 1)


def test_equal_vectors_of_different_texts_pass_a_threshold_of_1() -> None:
    vectors = np.repeat(np.random.default_rng(0).normal(size=(50, 7)), 2, axis=0)
    found = find_pairs([f"text {i}" for i in range(100)], vectors=vectors, threshold=1)
    assert found.first.tolist() == list(range(0, 100, 2))
    assert found.second.tolist() == list(range(1, 100, 2))
    assert found.threshold == 1


def test_of_copies_the_first_vector_counts() -> None:
    found = find_pairs(["a", "b", "a"], vectors=[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], threshold=0.9)
    assert listed(found) == [(0, 2, 1.0)]


def test_the_vectors_that_are_given_are_not_changed() -> None:
    vectors = normalized(np.random.default_rng(0).normal(size=(30, 5)))
    before = vectors.copy()
    scaled = find_pairs(map(str, range(30)), vectors=7 * vectors, top=40)
    found = find_pairs(map(str, range(30)), vectors=vectors, top=40)
    np.testing.assert_array_equal(vectors, before)
    np.testing.assert_allclose(found.score, scaled.score, atol=2e-6)


def test_vectors_may_be_of_any_length_and_texts_any_iterable() -> None:
    found = find_pairs(iter(["a", "b"]), vectors=[[9.0, 0.0], [0.1, 0.0]], threshold=0.99)
    assert listed(found) == [(0, 1, 1.0)]


def test_a_real_encoder_is_asked_once_for_all(encoder: sememe.BiEncoder) -> None:
    texts = ["the wind is cheap", "cheap wind", "a new car", "the wind is cheap"]
    found = sememe.find_pairs(texts, encoder, top=2)
    assert listed(found)[0] == (0, 3, 1.0)
    cosines = encoder.encode(texts) @ encoder.encode(texts).T
    first, second, score = listed(found)[1]
    best = np.triu(cosines[:3, :3], 1).max()
    assert score == pytest.approx(cosines[first, second]) == pytest.approx(best)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": 0.5, "top": 3}, "threshold= and top= were both given"),
        ({"threshold": -1}, "threshold=-1: give a number above -1 and of at most 1, such as 0.8"),
        ({"threshold": 1.01}, "threshold=1.01"),
        ({"threshold": float("nan")}, "threshold=nan"),
        ({"threshold": "0.8"}, "threshold='0.8'"),
        ({"top": 0}, "top=0: give a whole number of at least 1"),
        ({"top": 2.5}, r"top=2\.5"),
        ({"top": True}, "top=True"),
        ({"threshold": True}, "threshold=True"),
    ],
)
def test_arguments_out_of_range_are_refused_before_the_work(
    options: dict[str, Any], said: str
) -> None:
    class Never:
        def encode(self, texts: list[str]) -> object:
            raise AssertionError(texts)

    with pytest.raises(InputError, match=said):
        sememe.find_pairs(["a", "b"], Never(), **options)


def test_texts_and_vectors_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="single str"):
        sememe.find_pairs("abc", Letters())
    with pytest.raises(InputError, match=r"texts\[1\] is of type int"):
        sememe.find_pairs(["a", 3], Letters())  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"texts\[1\] is missing"):
        sememe.find_pairs(["a", None], Letters())  # type: ignore[list-item]
    with pytest.raises(InputError, match="texts is a dict"):
        sememe.find_pairs({"a": "b"}, Letters())
    with pytest.raises(InputError, match="vectors are not an array of numbers"):
        find_pairs(["a", "b"], vectors={"a": [1, 0], "b": [0, 1]})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="2 vectors for 3 texts"):
        find_pairs(["a", "b", "c"], vectors=np.eye(2))
    with pytest.raises(InputError, match="row 1 of the vectors has a value that is not a finite"):
        find_pairs(["a", "b"], vectors=[[1.0, 0.0], [float("nan"), 1.0]])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_a_name_is_an_encoder_and_none_means_the_default(default_model: str) -> None:
    texts = ["a cat", "a tram", "a cat."]
    for found in (sememe.find_pairs(texts, top=1), sememe.find_pairs(texts, default_model, top=1)):
        assert [pair[:2] for pair in listed(found)] == [(0, 2)]


@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_a_folder_is_an_encoder(tiny: Tiny, encoder: sememe.BiEncoder) -> None:
    texts = ["the wind is cheap", "cheap wind", "a new car"]
    found = sememe.find_pairs(texts, tiny.directory, top=1)
    expected = sememe.find_pairs(texts, encoder, top=1)
    assert [pair[:2] for pair in listed(found)] == [pair[:2] for pair in listed(expected)]


@pytest.mark.parametrize("encoder", [object(), 5, Letters, sememe.BiEncoder])
def test_what_cannot_encode_is_refused(encoder: Any) -> None:
    with pytest.raises(InputError, match=r"^encoder=.* is no encoder: give a bi-encoder's name"):
        sememe.find_pairs(["a", "b"], encoder)


def test_a_cross_encoder_is_no_encoder(tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    cross: Any = sememe.CrossEncoder(tmp_path / "cross", precision="f32")
    with pytest.raises(InputError, match=r"^encoder is a CrossEncoder, which scores pairs and has"):
        sememe.find_pairs(["a", "b"], cross)


def test_progress_goes_to_encoders_that_take_it(
    encoder: sememe.BiEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["the wind is cheap", "cheap wind", "a new car"]
    sememe.find_pairs(texts, encoder, top=1, progress=True)
    assert capsys.readouterr().err.count("0/3 ") == 2  # to encode, and to compare
    sememe.find_pairs(texts, encoder, top=1, progress=False)
    assert capsys.readouterr().err == ""
    sememe.find_pairs(texts, Letters(), top=1, progress=True)
    assert capsys.readouterr().err.count("0/3 ") == 1  # a third party's encode(texts) takes none


def test_blank_texts_are_not_encoded_and_in_no_pair() -> None:
    class Strict(Letters):
        def encode(self, texts: list[str]) -> list[list[int]]:
            assert all(text.strip() for text in texts)
            return super().encode(texts)

    texts = ["", "ab", "\n", "aab", " ", "ab", ""]
    with pytest.warns(BlankWarning) as notes:
        found = sememe.find_pairs(texts, Strict(), threshold=0.9)
    assert [str(note.message) for note in notes] == [
        "4 of 7 texts are blank (texts[0], texts[2], texts[4], …) and in no pair."
    ]
    assert [pair[:2] for pair in listed(found)] == [(1, 5), (1, 3)]
    assert found.deduplicated().tolist() == [0, 1, 2, 4, 6]
    assert repr(found) == "<Pairs: 2 among 3 texts, 0.900 and above>"
    with pytest.warns(BlankWarning):
        again = find_pairs(texts, vectors=Letters().encode(texts), threshold=0.9)
    assert listed(again) == listed(found)


@pytest.mark.slow
def test_a_table_of_vectors_is_an_array() -> None:
    pandas = pytest.importorskip("pandas")
    vectors = pandas.DataFrame({"x": [1.0, 1.0, 0.0], "y": [0.0, 0.1, 1.0]})
    assert [pair[:2] for pair in listed(find_pairs(list("abc"), vectors=vectors, top=1))] == [
        (0, 1)
    ]
    with pytest.raises(InputError, match="texts is a DataFrame: give one column of it"):
        find_pairs(vectors, vectors=vectors)


@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
@pytest.mark.parametrize("texts", [[], ["a"], ["", " ", "\n", ""]])
def test_fewer_than_two_texts_are_no_pair(texts: list[str]) -> None:
    some: list[dict[str, Any]] = [{}, {"top": 3}, {"threshold": 0.5}]
    for options in some:
        found = sememe.find_pairs(texts, Letters(), **options)
        assert (len(found), found.groups(), found.dropped()) == (0, [], [])
        assert found.deduplicated().tolist() == list(range(len(texts)))


def two_said_twice(seed: int, background: float) -> tuple[NDArray[np.float64], list[str]]:
    """400 unrelated vectors with a part in common, and the first two of them once more, nearly."""
    chance = np.random.default_rng(seed)
    apart = normalized(chance.normal(size=(400, 64)))
    rows = np.hstack([np.full((400, 1), (background / (1 - background)) ** 0.5), apart])
    again = rows[:2] + 0.02 * chance.normal(size=(2, 65))
    return np.vstack([rows, again]), [str(i) for i in range(402)]


@pytest.mark.parametrize("background", [0.0, 0.4, 0.8])
def test_the_suggested_threshold_follows_what_unrelated_texts_have(background: float) -> None:
    vectors, texts = two_said_twice(0, background)
    found = find_pairs(texts, vectors=vectors)
    assert found.threshold == pytest.approx(background + 0.7 * (1 - background), abs=0.02)
    assert found.why is not None
    assert f"usually have a cosine of {background:.2f}"[:-1] in found.why.replace("-0.0", "0.0")
    assert f"{found.threshold:.3f} is 70 %" in found.why
    assert [pair[:2] for pair in sorted(listed(found))] == [(0, 400), (1, 401)]


def test_of_few_texts_no_threshold_is_learnt() -> None:
    found = sememe.find_pairs(["ab", "aab", "c"], Letters())
    assert found.threshold == 0.7
    assert found.why == "too few texts (3) to learn a threshold from: 0.7 is taken"


def _shifted(count: int) -> tuple[np.ndarray, list[str]]:
    """Vectors that share a direction, as those of many encoders do."""
    vectors = np.random.default_rng(0).normal(size=(count, 6)) + np.array([9, 0, 0, 0, 0, 0])
    return vectors, [f"text {i}" for i in range(count)]


def test_centred_scores_are_cosines_of_what_the_mean_leaves() -> None:
    vectors, texts = _shifted(120)
    pairs = find_pairs(texts, vectors=vectors, top=50, centre=True)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rest = unit - unit.mean(axis=0)
    cosines = rest @ rest.T
    lengths = np.linalg.norm(rest, axis=1)
    expected = np.sort((cosines / np.outer(lengths, lengths))[np.tri(120, k=-1, dtype=bool)])[::-1]
    assert np.abs(pairs.score - expected[:50]).max() < 1e-5
    assert pairs.mean is not None
    assert np.abs(pairs.mean - unit.mean(axis=0)).max() < 1e-6
    assert find_pairs(texts, vectors=vectors, top=50).mean is None


def test_the_suggested_threshold_follows_the_centring() -> None:
    vectors, texts = _shifted(120)
    raw, moved = (find_pairs(texts, vectors=vectors, centre=centre) for centre in (False, True))
    assert raw.threshold > 0.9
    assert 0.6 < moved.threshold < 0.75
    assert "cosine of -0.0" in (moved.why or "") or "cosine of 0.0" in (moved.why or "")


@pytest.mark.filterwarnings("ignore::sememe.errors.BlankWarning")
def test_a_copy_and_a_blank_text_count_once_and_never_for_the_mean() -> None:
    vectors, texts = _shifted(100)
    more = np.vstack([vectors, np.repeat(vectors[:1], 30, axis=0), 50 * vectors[:1]])
    pairs = find_pairs([*texts, *[texts[0]] * 30, " "], vectors=more, top=40, centre=True)
    alone = find_pairs(texts, vectors=vectors, top=10, centre=True)
    assert pairs.mean is not None
    assert alone.mean is not None
    assert np.array_equal(pairs.mean, alone.mean)
    assert np.array_equal(pairs.score[30:], alone.score)


def test_too_few_texts_are_not_centred() -> None:
    vectors, texts = _shifted(99)
    with pytest.raises(InputError, match="centre=True with 99 different texts: their mean says"):
        find_pairs(texts, vectors=vectors, centre=True)
    with pytest.raises(InputError, match="centre=1: give True or False"):
        find_pairs(texts, vectors=vectors, centre=1)  # type: ignore[arg-type]
