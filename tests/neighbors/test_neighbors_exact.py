import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sememe.errors import InputError
from sememe.neighbors import nearest, normalized, scan


def random_vectors(n: int, dim: int, seed: int, *, coarse: bool = False) -> NDArray[np.float32]:
    """Small whole numbers make exact products, and many ties."""
    random = np.random.default_rng(seed)
    if coarse:
        return random.integers(-2, 3, size=(n, dim)).astype(np.float32)
    return normalized(random.normal(size=(n, dim)))


def by_brute_force(
    base: NDArray[np.float32], k: int, queries: NDArray[np.float32] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    similarity = (base if queries is None else queries) @ base.T
    if queries is None:
        np.fill_diagonal(similarity, -np.inf)
    columns = min(k, len(base) - (queries is None))
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :columns]
    return order, np.take_along_axis(similarity, order, axis=1)


@settings(deadline=None, max_examples=80)
@given(
    n=st.integers(1, 400),
    dim=st.integers(1, 5),
    k=st.integers(1, 20),
    seed=st.integers(0, 99),
    query_count=st.none() | st.integers(0, 30),
)
def test_equals_brute_force_with_ties_in_order_of_index(
    n: int, dim: int, k: int, seed: int, query_count: int | None
) -> None:
    base = random_vectors(n, dim, seed, coarse=True)
    queries = (
        None if query_count is None else random_vectors(query_count, dim, seed + 1, coarse=True)
    )
    found = nearest(base, k, queries=queries)
    indices, similarity = by_brute_force(base, k, queries)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_array_equal(found.similarity, similarity)
    assert found.indices.dtype == np.int32
    assert found.similarity.dtype == np.float32


@pytest.mark.parametrize("skip_self", [True, False])
def test_result_does_not_depend_on_how_the_work_is_cut(skip_self: bool) -> None:
    base = random_vectors(700, 3, 0, coarse=True)
    at_once = scan(base, base, 12, skip_self=skip_self)
    in_blocks = scan(base, base, 12, skip_self=skip_self, block_columns=64, block_bytes=4 * 64 * 50)
    np.testing.assert_array_equal(at_once[0], in_blocks[0])
    np.testing.assert_array_equal(at_once[1], in_blocks[1])


def test_finds_the_true_neighbors_of_real_valued_vectors() -> None:
    base = random_vectors(1500, 16, 1)
    found = nearest(base, 10)
    indices, similarity = by_brute_force(base, 10, None)
    np.testing.assert_allclose(found.similarity, similarity, atol=1e-6)
    assert (found.indices == indices).mean() > 0.999


def test_all_equal_vectors_are_neighbors_in_order() -> None:
    found = nearest(np.ones((500, 4)), 3)
    assert found.indices[0].tolist() == [1, 2, 3]
    assert found.indices[400].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("n", "columns"), [(0, 0), (1, 0), (2, 1), (5, 4)])
def test_fewer_vectors_than_k_give_fewer_columns(n: int, columns: int) -> None:
    found = nearest(np.eye(max(n, 1))[:n], 10)
    assert found.indices.shape == found.similarity.shape == (n, columns)


def test_no_vectors_to_search_give_no_columns() -> None:
    assert nearest(np.zeros((0, 3)), 2, queries=np.ones((4, 3))).indices.shape == (4, 0)


def test_zero_vectors_have_similarity_zero() -> None:
    found = nearest([[0, 0], [1, 0], [-1, 0]], 2)
    assert found.similarity[0].tolist() == [0, 0]
    assert found.indices[1].tolist() == [0, 2]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_names_the_row_that_is_not_finite(value: float) -> None:
    base = np.ones((5, 3))
    base[3, 1] = value
    with pytest.raises(InputError, match=r"row 3 of the vectors"):
        nearest(base, 1)
    with pytest.raises(InputError, match=r"row 3 of the queries"):
        nearest(np.ones((2, 3)), 1, queries=base)


def test_large_finite_values_are_not_taken_for_infinite() -> None:
    assert np.isfinite(normalized(np.full((2, 3), 3e38))).all()


@pytest.mark.parametrize(
    ("vectors", "k", "queries", "message"),
    [
        ([1.0, 2.0], 1, None, r"shape \(2,\)"),
        ([[1.0], [2.0, 3.0]], 1, None, "not an array"),
        ([["a"]], 1, None, "not an array"),
        ([[1.0]], 0, None, "k=0"),
        ([[1.0, 2.0]], 1, [[1.0]], "1 dimensions and vectors 2"),
    ],
)
def test_bad_input_is_an_input_error(
    vectors: list[object], k: int, queries: list[object] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        nearest(vectors, k, queries=queries)  # type: ignore[arg-type]


def test_normalized_rows_have_length_one_and_zeros_stay() -> None:
    rows = normalized([[3.0, 4.0], [0.0, 0.0], [1e-30, 0.0]])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 0, 1], rtol=1e-6)
