"""Truncate, normalise, compare: held against formulas written out in plain numpy."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sememe.encoders.vectors import VectorOptions, finish, similarity, unit
from sememe.errors import InputError

Floats = npt.NDArray[np.float32]


def vectors(size: int) -> st.SearchStrategy[Floats]:
    numbers = st.floats(-100, 100, width=16)
    return arrays.arrays(np.float32, st.tuples(st.integers(1, 6), st.just(size)), elements=numbers)


@pytest.mark.slow
@given(vectors(3), vectors(3))
def test_similarities_equal_their_formulas(a: Floats, b: Floats) -> None:
    exact, other = a.astype(np.float64), b.astype(np.float64)
    gaps = exact[:, None] - other[None]
    lengths = np.outer(np.linalg.norm(exact, axis=1), np.linalg.norm(other, axis=1))
    expected = {
        "dot": exact @ other.T,
        "cosine": np.divide(
            exact @ other.T, lengths, where=lengths > 0, out=np.zeros_like(lengths)
        ),
        "euclidean": -np.sqrt((gaps**2).sum(axis=2)),
        "manhattan": -np.abs(gaps).sum(axis=2),
    }
    for measure, values in expected.items():
        found = similarity(a, b, measure)
        assert found.dtype == np.float32
        assert found.shape == (len(a), len(b))
        np.testing.assert_allclose(
            found, values, rtol=1e-4, atol=0.2 if measure[0] == "e" else 1e-2
        )


def test_a_euclidean_distance_of_near_texts_is_exact_enough() -> None:
    a = np.array([[1, 0, 0]], np.float32)
    b = np.array([[0.6, 0.8, 0], [1, 0, 0]], np.float32)
    np.testing.assert_allclose(similarity(a, b, "euclidean"), [[-np.sqrt(0.8), 0]], atol=1e-3)


def test_one_vector_may_be_compared_without_a_row_of_its_own() -> None:
    assert similarity([1, 2], [[3, 4], [5, 6]], "dot").tolist() == [[11, 17]]


def test_vectors_of_two_models_are_not_compared() -> None:
    with pytest.raises(InputError, match="a has vectors of 2 and b of 3"):
        similarity(np.ones((1, 2)), np.ones((1, 3)), "cosine")


@given(vectors(4), st.integers(1, 4), st.booleans(), st.sampled_from(["float32", "float16"]))
def test_finishing_truncates_then_normalises_then_converts(
    raw: Floats, size: int, normalize: bool, dtype: str
) -> None:
    before = raw.copy()
    found = finish(raw, VectorOptions(normalize=normalize, truncate_dim=size, dtype=dtype))
    expected = raw[:, :size].astype(np.float64)
    if normalize:
        lengths = np.linalg.norm(expected, axis=1, keepdims=True)
        expected = np.divide(expected, lengths, where=lengths > 0, out=np.zeros_like(expected))
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-6)
    np.testing.assert_array_equal(raw, before)


def test_a_zero_vector_stays_zero_and_says_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unit(np.zeros((2, 3), np.float32)).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        (["a text", "another"], "not an array of numbers"),
        (np.packbits(np.ones((2, 8), bool), axis=1), "which have no cosine"),
        (np.ones((1, 2, 3)), r"shape \(1, 2, 3\)"),
        ([[1, np.nan]], "not a finite number"),
    ],
)
def test_what_is_no_vector_has_no_similarity(vectors: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        similarity(vectors, vectors, "cosine")
