"""The map against a dense solution of the same least squares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.cascade.edges import Edges
from sememe.cascade.linear import Space, conjugate_gradients, fit
from sememe.neighbors import nearest, normalized


def problem(seed: int, texts: int, dim: int) -> tuple[Space, Edges, np.ndarray]:
    random = np.random.default_rng(seed)
    vectors = normalized(random.normal(size=(texts, dim)) * random.uniform(0.2, 2, dim))
    edges = Edges.between(nearest(vectors, 4))
    return Space(vectors), edges, random.normal(size=len(edges)) * 3


def dense_solution(space: Space, edges: Edges, logits: np.ndarray, penalty: float) -> np.ndarray:
    """By the normal equations over all entries of a matrix that need not be symmetric."""
    sums, counts = np.zeros(edges.texts), np.zeros(edges.texts)
    for one, other, value in zip(edges.first, edges.second, logits, strict=True):
        sums[[one, other]] += value
        counts[[one, other]] += 1
    mean = sums / np.maximum(counts, 1)
    target = logits - ((mean[edges.first] + mean[edges.second]) / 2 - logits.mean()) / 2
    cosine = space.cosines(edges)
    slope = max(np.polyfit(cosine, target, 1)[0], 1e-3)
    rest = target - slope * cosine - (target - slope * cosine).mean()
    white = space.white.astype(np.float64)
    outer = np.einsum("ei,ej->eij", white[edges.first], white[edges.second])
    features = ((outer + outer.transpose(0, 2, 1)) / 2).reshape(len(edges), -1)
    size = features.shape[1]
    system = features.T @ features / len(edges) + penalty * np.eye(size)
    solution = np.linalg.solve(system, features.T @ rest / len(edges))
    return solution.reshape(white.shape[1], -1)


@pytest.mark.slow
@given(
    seed=st.integers(0, 10_000),
    texts=st.integers(8, 60),
    dim=st.integers(2, 8),
    penalty=st.sampled_from([0.3, 3.0, 30.0]),
)
def test_the_map_is_the_least_squares_solution(
    seed: int, texts: int, dim: int, penalty: float
) -> None:
    space, edges, logits = problem(seed, texts, dim)
    expected = dense_solution(space, edges, logits, penalty)
    form = fit(space, edges, logits, penalty)
    assert np.abs(form - expected).max() <= 5e-3 * np.abs(expected).max()
    np.testing.assert_array_equal(form, form.T)


@given(seed=st.integers(0, 10_000))
def test_white_vectors_vary_alike_but_for_the_ridge(seed: int) -> None:
    space, *_ = problem(seed, 60, 5)
    covariance = space.points.T @ space.points / 60
    ridged = covariance + np.trace(covariance) / 5 * np.eye(5)
    product = space.whitener @ ridged @ space.whitener
    np.testing.assert_allclose(product, np.eye(5), atol=1e-4)


@pytest.mark.slow
@given(seed=st.integers(0, 10_000), weight=st.floats(0.0, 0.2))
def test_inner_products_of_moved_points_are_cosine_and_form(seed: int, weight: float) -> None:
    space, edges, logits = problem(seed, 40, 6)
    form = fit(space, edges, logits)
    weight *= 1 / max(float(np.abs(np.linalg.eigvalsh(form)).max()), 1e-3)
    moved = space.points @ space.moving(form, weight).root
    expected = space.cosines(edges) + weight * space.form(form, edges)
    scales = np.linalg.eigvalsh(np.eye(6) + weight * space.whitener @ form @ space.whitener)
    if scales.min() > 0:  # else no real map has these inner products
        np.testing.assert_allclose(edges.products(moved, moved), expected, atol=1e-4)


def test_nothing_to_explain_is_no_map() -> None:
    space, edges, _ = problem(0, 30, 4)
    assert np.abs(fit(space, edges, np.full(len(edges), 2.0))).max() < 1e-4


def test_conjugate_gradients_solve_a_diagonal_system_exactly() -> None:
    scale = np.array([[1, 2], [2, 4]], np.float32)
    goal = np.array([[3, 8], [8, 1]], np.float32)
    solution = conjugate_gradients(lambda matrix: scale * matrix, goal)
    np.testing.assert_allclose(solution, goal / scale, rtol=1e-3)


@given(seed=st.integers(0, 10_000))
def test_edges_are_unique_ordered_and_those_of_the_lists(seed: int) -> None:
    vectors = normalized(np.random.default_rng(seed).normal(size=(30, 3)))
    neighbors = nearest(vectors, 4)
    edges = Edges.between(neighbors)
    listed = {
        (min(row, other), max(row, other))
        for row, others in enumerate(neighbors.indices.tolist())
        for other in others
    }
    assert list(zip(edges.first.tolist(), edges.second.tolist(), strict=True)) == sorted(listed)
    assert len(edges - edges[:7]) == len(edges) - 7
    indices, values = edges.best(edges.products(vectors, vectors), 4)
    np.testing.assert_allclose(values, neighbors.similarity, atol=1e-6)
    np.testing.assert_array_equal(np.sort(indices), np.sort(neighbors.indices))


@pytest.mark.parametrize("shift", [0.0, 5.0])
def test_centring_takes_away_what_a_text_has_from_everybody(shift: float) -> None:
    first, second = np.triu_indices(6, 1)
    edges = Edges(first, second, 6)
    of_text = np.array([3.0, 0, 0, 0, 0, 0])
    values = of_text[first] + of_text[second] + shift
    centered = edges.centered(values)
    assert np.ptp(centered) < np.ptp(values)
    assert centered.mean() == pytest.approx(values.mean())
