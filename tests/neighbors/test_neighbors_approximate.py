"""Neighbours among many: nearly all of the true ones, the same every time, and told how many."""

from functools import partial

import numpy as np
import pytest

from sememe.neighbors import nearest, normalized, self_join

Floats = np.ndarray

# The approximate way, for fewer vectors than it is meant for.
approximate_join = partial(self_join, approximate_from=0, block_rows=1000)


def clustered(count: int, seed: int = 0) -> Floats:
    """Vectors around 60 centres, as sentences lie around topics."""
    chance = np.random.default_rng(seed)
    centers = chance.standard_normal((60, 32), np.float32)
    noise = chance.standard_normal((count, 32), np.float32)
    return normalized(centers[chance.integers(0, 60, count)] + 0.7 * noise)


def share_found(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([np.isin(t, f).mean() for f, t in zip(found, truth, strict=True)]))


def test_few_vectors_are_compared_exactly() -> None:
    rows = clustered(500)
    found, truth = self_join(rows, 15), nearest(rows, 15)
    np.testing.assert_array_equal(found.indices, truth.indices)
    assert found.recall == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_recall_is_what_was_measured(seed: int) -> None:
    rows = clustered(4000, seed)
    found, truth = approximate_join(rows, 15), nearest(rows, 15)
    share = share_found(found.indices, truth.indices)
    assert share >= 0.95
    assert abs(share - found.recall) < 0.03
    assert share < 1, "all were found: nothing was left out, so this tests nothing"


def test_what_is_found_is_true_and_in_order() -> None:
    rows = clustered(3000)
    found = approximate_join(rows, 10)
    own = np.arange(len(rows))[:, None]
    assert (found.indices != own).all()
    assert (found.indices >= 0).all()
    assert all(len(set(line)) == 10 for line in found.indices.tolist())
    exact = np.einsum("nd,nkd->nk", rows, rows[found.indices])
    np.testing.assert_allclose(found.similarity, exact, atol=1e-5)
    assert (np.diff(found.similarity, axis=1) <= 0).all()


def test_the_same_vectors_give_the_same_neighbours() -> None:
    rows = clustered(3000)
    first, second = approximate_join(rows, 10), approximate_join(rows.copy(), 10)
    np.testing.assert_array_equal(first.indices, second.indices)
    np.testing.assert_array_equal(first.similarity, second.similarity)


@pytest.mark.slow
def test_many_copies_of_one_vector() -> None:
    rows = np.concatenate([np.repeat(clustered(1), 900, axis=0), clustered(1500, 1)])
    found = approximate_join(rows, 5)
    assert (found.indices != np.arange(len(rows))[:, None]).all()
    np.testing.assert_allclose(found.similarity[:900], 1, atol=1e-5)
