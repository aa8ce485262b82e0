"""All close pairs against brute force: every inner product, one after the other."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import sememe.neighbors.close as module
from sememe import costs
from sememe.errors import CostWarning, InputError
from sememe.neighbors import ClosePairs, closer_than, closest, normalized
from sememe.neighbors.close import SIZES, Sizes
from sememe.processes import map_in_threads

Floats = NDArray[np.float32]


def rows_of(n: int, dim: int, seed: int, kind: str) -> Floats:
    """Unit rows: at random, in dense bunches, of few different values (ties), or nearly flat."""
    chance = np.random.default_rng(seed)
    if kind == "ties":
        return normalized(chance.integers(-1, 2, (n, dim)))
    rows = chance.normal(size=(n, dim))
    if kind == "bunches":
        rows = rows[chance.integers(0, max(1, n // 8), n)] + 0.2 * chance.normal(size=(n, dim))
    if kind == "flat":  # all but a few components nearly nothing
        rows *= np.where(np.arange(dim) < 3, 1, 1e-4)
    return normalized(rows)


def by_brute_force(rows: Floats, threshold: float = -2.0, count: int | None = None) -> ClosePairs:
    first, second = np.triu_indices(len(rows), 1)
    products = [
        np.einsum("ij,ij->i", np.broadcast_to(row, rest.shape), rest)
        for row, rest in ((rows[i], rows[i + 1 :]) for i in range(len(rows)))
    ]
    similarity = np.concatenate([*products, np.empty(0, np.float32)]).round(6)
    kept = np.flatnonzero(similarity >= threshold)
    order = kept[np.lexsort((second[kept], first[kept], -similarity[kept]))][:count]
    return ClosePairs(
        first[order].astype(np.int32), second[order].astype(np.int32), similarity[order]
    )


def assert_equal(found: ClosePairs, expected: ClosePairs) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


# So that a few hundred rows are cut, shortened and sampled as millions are.
SMALL = Sizes(rows=32, columns=64, sample=40, candidates=50, components=(2, 4, 16))


CASES = {
    "n": st.integers(0, 220),
    "dim": st.sampled_from([1, 2, 3, 8, 17, 40]),
    "seed": st.integers(0, 999),
    "kind": st.sampled_from(["random", "bunches", "ties", "flat"]),
}


@pytest.mark.slow
@settings(max_examples=120)
@given(threshold=st.floats(-0.5, 1) | st.sampled_from([0.5, 1.0]), **CASES)
def test_all_pairs_over_a_threshold_are_those_of_brute_force(
    n: int, dim: int, seed: int, kind: str, threshold: float
) -> None:
    rows = rows_of(n, dim, seed, kind)
    assert_equal(closer_than(rows, threshold, sizes=SMALL), by_brute_force(rows, threshold))


@pytest.mark.slow
@settings(max_examples=120)
@given(count=st.integers(1, 400) | st.just(30_000), **CASES)
def test_the_closest_pairs_are_those_of_brute_force(
    n: int, dim: int, seed: int, kind: str, count: int
) -> None:
    rows = rows_of(n, dim, seed, kind)
    assert_equal(closest(rows, count, sizes=SMALL), by_brute_force(rows, count=count))


def test_a_threshold_that_is_a_pair_s_own_similarity_keeps_it() -> None:
    rows = rows_of(200, 40, 0, "bunches")
    for similarity in by_brute_force(rows).similarity[:2000:100]:
        found = closer_than(rows, float(similarity), sizes=SMALL)
        assert_equal(found, by_brute_force(rows, float(similarity)))
        assert similarity in found.similarity


@pytest.mark.slow
def test_the_blocks_as_they_are_miss_nothing() -> None:
    chance = np.random.default_rng(3)
    middles = chance.normal(size=(400, 128))[chance.integers(0, 400, 2600)]
    rows = normalized((middles + 0.3 * chance.normal(size=(2600, 128))) / (1 + np.arange(128)))
    short = module._short(rows, 0.9, SIZES)
    assert short.shape[1] < rows.shape[1], "or nothing is shown"
    found = closer_than(rows, 0.9)
    assert len(found.first) > 2000
    assert_equal(found, by_brute_force(rows, 0.9))
    assert_equal(closest(rows, 777), by_brute_force(rows, count=777))


@pytest.mark.parametrize("kind", ["random", "bunches", "ties", "flat"])
def test_short_vectors_bound_the_products_from_above(kind: str) -> None:
    rows = rows_of(300, 40, 1, kind)
    axes = np.linalg.qr(rows[:40].T)[0][:, :6].astype(np.float32)
    short = module._with_rest(rows, axes, SMALL)
    true = rows.astype(np.float64) @ rows.T
    assert (short @ short.T >= true - module._slack(rows)).all()


def test_the_sample_may_be_unlike_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(200, 8, 0, "random")
    rows[::2] = rows[0]  # what the sample holds is all one
    monkeypatch.setattr(module, "_sample", lambda rows, _: rows[::5][::2])
    assert_equal(closest(rows, 6000, sizes=SMALL), by_brute_force(rows, count=6000))


def test_the_answer_does_not_depend_on_which_thread_is_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = rows_of(300, 3, 5, "ties")
    expected = closest(rows, 500, sizes=SMALL)
    chance = np.random.default_rng(0)

    def shuffled(threads: int, work: Any, items: Any) -> Any:
        return map_in_threads(threads, work, chance.permutation(list(items)).tolist())

    monkeypatch.setattr(module, "map_in_threads", shuffled)
    for _ in range(5):
        assert_equal(closest(rows, 500, sizes=SMALL), expected)


def test_too_many_pairs_are_refused() -> None:
    sizes = Sizes(most=1000)
    rows = rows_of(100, 4, 0, "random")
    with pytest.raises(InputError, match=r"more than 1,000 pairs are closer than -0\.9: give"):
        closer_than(rows, -0.9, sizes=sizes)
    with pytest.raises(InputError, match="2,000 pairs are more than the 1,000"):
        closest(rows, 2000, sizes=sizes)
    assert len(closest(rows, 1000, sizes=sizes).first) == 1000


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite_are_refused(bad: float) -> None:
    rows = rows_of(5, 3, 0, "random")
    rows[2, 1] = bad
    with pytest.raises(InputError, match="row 2 of the vectors"):
        closer_than(rows, 0.5)
    with pytest.raises(InputError, match="row 2 of the vectors"):
        closest(rows, 1)


def test_long_work_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "LONG_SECONDS", 0)
    with pytest.warns(
        CostWarning, match=r"^Comparing 100 texts with one another will take about \d"
    ):
        closer_than(rows_of(100, 4, 0, "random"), 0.9)
