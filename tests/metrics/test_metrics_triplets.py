from typing import Any

import numpy as np
import pytest
from sklearn.metrics.pairwise import paired_cosine_distances

from sememe.errors import InputError
from sememe.metrics import triplet_accuracy, triplet_margins


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_margins_equal_scikit_learns_distances(dtype: str) -> None:
    a, p, n = np.random.default_rng(0).normal(size=(3, 50, 8)).astype(dtype)
    expected = paired_cosine_distances(a, n) - paired_cosine_distances(a, p)
    np.testing.assert_allclose(triplet_margins(a, p, n), expected, atol=1e-3)
    assert triplet_accuracy(a, p, n) == (expected > 0).mean()


def test_length_does_not_matter() -> None:
    assert triplet_accuracy(np.eye(2), [[9.0, 1], [0.1, 0.1]], [[0.2, 0.1], [0, 9.0]]) == 0.5


def test_no_nearer_is_not_nearer() -> None:
    vectors = np.random.default_rng(0).normal(size=(2, 100, 7))
    assert triplet_margins(vectors[0], vectors[1], vectors[1]).tolist() == [0.0] * 100
    assert triplet_accuracy(vectors[0], vectors[1], vectors[1]) == 0
    assert triplet_margins([[0, 0]], [[1, 2]], [[3, 4]]).tolist() == [0]


@pytest.mark.parametrize(
    ("positive", "negative", "message"),
    [
        ([[1, 2]], [[1, 2]], "anchor has 2, positive has 1, negative has 1"),
        ([[1], [2]], [[1, 2], [3, 4]], "the vectors have 2, 1 and 2 dimensions"),
        ([[1, 2], [3, 4]], [[1, np.nan], [3, 4]], "row 0 of negative is not a finite number"),
        ([1, 2], [[1, 2], [3, 4]], r"positive has shape \(2,\): give one vector an item"),
    ],
)
def test_say_what_is_wrong(positive: Any, negative: Any, message: str) -> None:
    anchor = [[1, 2], [3, 4]]
    for metric in (triplet_accuracy, triplet_margins):
        with pytest.raises(InputError, match=message):
            metric(anchor, positive, negative)
