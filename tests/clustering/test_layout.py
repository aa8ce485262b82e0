from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sememe.clustering.layout import layout_2d
from sememe.neighbors import Neighbors, nearest, normalized


def blobs(sizes: list[int], dim: int = 16, noise: float = 0.15) -> NDArray[np.float32]:
    """Groups of unit vectors around directions at right angles to one another."""
    random = np.random.default_rng(3)
    centers = np.repeat(np.eye(dim)[: len(sizes)], sizes, axis=0)
    return normalized(centers + noise * random.normal(size=centers.shape))


def neighbors_of(vectors: NDArray[np.float32], k: int = 8) -> Neighbors:
    return nearest(vectors, k)


def assert_well_formed(points: NDArray[np.float32], n: int) -> None:
    assert points.shape == (n, 2)
    assert points.dtype == np.float32
    assert np.isfinite(points).all()
    assert np.abs(points).max(initial=0) <= 1
    if n:
        assert np.allclose(points.min(axis=0) + points.max(axis=0), 0, atol=1e-4)


def test_groups_of_near_vectors_lie_apart() -> None:
    sizes = [60, 60, 60, 60, 60]
    vectors = blobs(sizes)
    points = layout_2d(vectors, neighbors_of(vectors))
    groups = np.split(points, np.cumsum(sizes)[:-1])
    centers = np.array([group.mean(axis=0) for group in groups])
    spread = max(
        float(np.linalg.norm(group - center, axis=1).mean())
        for group, center in zip(groups, centers, strict=True)
    )
    apart = np.linalg.norm(centers[:, None] - centers, axis=2)[np.triu_indices(5, 1)].min()
    assert apart > 2 * spread
    assert_well_formed(points, 300)


def test_neighbours_on_the_map_are_neighbours_in_the_vectors() -> None:
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = normalized(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    points = layout_2d(circle, neighbors_of(circle))
    distance = np.linalg.norm(points[:, None] - points, axis=2) + 9 * np.eye(200)
    steps = np.abs(distance.argmin(axis=1) - np.arange(200))
    assert (np.minimum(steps, 200 - steps) <= 8).mean() > 0.95


def test_the_same_input_gives_the_same_layout() -> None:
    vectors = blobs([20, 30])
    first = layout_2d(vectors, neighbors_of(vectors))
    assert np.array_equal(first, layout_2d(vectors, neighbors_of(vectors)))


def test_the_widest_direction_is_horizontal() -> None:
    vectors = blobs([40, 40], noise=0.05)
    low, high = (lambda points: (points.min(axis=0), points.max(axis=0)))(
        layout_2d(vectors, neighbors_of(vectors))
    )
    assert (high - low)[0] == pytest.approx(2, abs=1e-4)
    assert (high - low)[1] <= 2


def test_labels_draw_clusters_apart() -> None:
    vectors = normalized(np.random.default_rng(0).normal(size=(200, 8)))
    labels = (vectors[:, 0] > 0).astype(np.int64) - (vectors[:, 0] > 0.8)

    def separation(points: NDArray[np.float32]) -> float:
        inside, outside = points[labels == 1], points[labels == 0]
        gap = np.linalg.norm(inside.mean(axis=0) - outside.mean(axis=0))
        return float(gap / (inside.std() + outside.std()))

    plain = layout_2d(vectors, neighbors_of(vectors))
    labelled = layout_2d(vectors, neighbors_of(vectors), labels=labels)
    assert_well_formed(labelled, 200)
    assert separation(labelled) > separation(plain)


def test_parts_of_a_graph_without_a_bridge_stay_in_one_picture() -> None:
    vectors = blobs([30] * 6, noise=0.01)
    points = layout_2d(vectors, neighbors_of(vectors, k=5))
    assert_well_formed(points, 180)
    centers = np.array([part.mean(axis=0) for part in np.split(points, 6)])
    gaps = np.sort(np.linalg.norm(centers[:, None] - centers, axis=2), axis=1)[:, 1]
    assert gaps.min() > 0.1  # told apart
    assert gaps.max() < 1.5  # none driven far off


def test_a_far_outlier_does_not_squeeze_the_rest() -> None:
    vectors = np.concatenate([blobs([100, 100]), -np.eye(16, dtype=np.float32)[9:10]])
    points = layout_2d(vectors, neighbors_of(vectors))
    assert points[:200].std() > 0.15


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_very_few_texts(n: int) -> None:
    vectors = normalized(np.random.default_rng(n).normal(size=(n, 6)))
    points = layout_2d(vectors, neighbors_of(vectors))
    assert_well_formed(points, n)
    assert all(not np.array_equal(a, b) for a, b in pairwise(points))


@pytest.mark.parametrize("dim", [1, 2, 384])
def test_identical_vectors_of_any_dimension_are_spread_out(dim: int) -> None:
    vectors = np.ones((50, dim), dtype=np.float32) / np.float32(np.sqrt(dim))
    points = layout_2d(vectors, neighbors_of(vectors))
    assert_well_formed(points, 50)
    assert len(np.unique(points.round(3), axis=0)) > 40


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 10), st.integers(0, 2**32 - 1))
def test_any_vectors_have_a_layout(n: int, dim: int, k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = normalized(random.integers(-1, 2, size=(n, dim)))  # many equal, some all zero
    labels = random.integers(-1, 3, size=n)
    assert_well_formed(layout_2d(vectors, nearest(vectors, k), labels=labels), n)
