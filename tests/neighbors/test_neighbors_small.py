"""Two stages: small vectors choose, float32 ones decide; the same as an exact search, nearly."""

from pathlib import Path

import numpy as np
import pytest

from sememe.errors import InputError
from sememe.neighbors import nearest, nearest_small, unit


def data(count: int = 2000, dim: int = 64) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    centers = chance.standard_normal((40, dim))
    rows = unit(centers[chance.integers(0, 40, count)] + 0.8 * chance.standard_normal((count, dim)))
    return rows, unit(rows[::40] + 0.05 * chance.standard_normal((count // 40, dim)))


def codes_of(rows: np.ndarray, kind: str) -> np.ndarray:
    return np.rint(rows * 127).astype(np.int8) if kind == "int8" else np.packbits(rows > 0, axis=1)


@pytest.mark.parametrize(("kind", "least"), [("int8", 0.999), ("binary", 0.8)])
def test_nearly_all_of_the_nearest_are_found(kind: str, least: float) -> None:
    rows, queries = data()
    found = nearest_small(codes_of(rows, kind), rows, 10, queries=queries)
    truth = nearest(rows, 10, queries=queries)
    share = np.mean(
        [np.isin(t, f).mean() for f, t in zip(found.indices, truth.indices, strict=True)]
    )
    assert share >= least
    exact = np.einsum("md,mkd->mk", queries, rows[found.indices])
    np.testing.assert_allclose(found.similarity, exact, atol=1e-5)


@pytest.mark.parametrize("kind", ["int8", "binary"])
def test_with_enough_candidates_it_is_exact(kind: str) -> None:
    rows, queries = data(400)
    found = nearest_small(codes_of(rows, kind), rows, 7, queries=queries, oversample=100)
    np.testing.assert_array_equal(found.indices, nearest(rows, 7, queries=queries).indices)


def test_float32_vectors_may_stay_on_disk(tmp_path: Path) -> None:
    rows, queries = data(400)
    np.save(tmp_path / "v.npy", rows)
    mapped = np.load(tmp_path / "v.npy", mmap_mode="r")
    codes = codes_of(rows, "binary")
    there = nearest_small(codes, mapped, 3, queries=queries)
    np.testing.assert_array_equal(
        there.indices, nearest_small(codes, rows, 3, queries=queries).indices
    )


def test_fewer_vectors_than_neighbours() -> None:
    rows, queries = data(400)
    found = nearest_small(codes_of(rows[:3], "int8"), rows[:3], 9, queries=queries)
    assert found.indices.shape == (len(queries), 3)


def test_arrays_that_do_not_belong_together() -> None:
    rows, queries = data(400)
    for codes, vectors, asked in (
        (codes_of(rows, "int8")[:9], rows, queries),
        (codes_of(rows, "binary"), rows, queries[:, :8]),
        (rows, rows, queries),
    ):
        with pytest.raises(InputError):
            nearest_small(codes, vectors, 3, queries=asked)
    with pytest.raises(InputError, match="at least 1"):
        nearest_small(codes_of(rows, "int8"), rows, 0, queries=queries)
