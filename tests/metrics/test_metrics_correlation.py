from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from sememe.errors import InputError
from sememe.metrics import pearson, spearman

# Few different values make many ties.
tied = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40)
real = st.lists(
    st.tuples(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32)), min_size=2
)


@given(pairs=tied | real)
def test_spearman_equals_scipys(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


@given(pairs=tied)
def test_pearson_equals_scipys(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)


@given(pairs=tied | real)
def test_spearman_looks_at_the_order_alone(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    _, steps = np.unique(x, return_inverse=True)
    assert spearman(steps**3, y) == spearman(x, y) == spearman(y, x)
    assert spearman(-x, y) == pytest.approx(-spearman(x, y), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-300, 1.0, 1e150])
def test_no_scale_is_too_small_or_large(scale: float) -> None:
    x = np.array([1.0, 2.0, 4.0])
    assert pearson(x * scale, [1, 2, 4]) == pytest.approx(1)


def test_never_beyond_one() -> None:
    random = np.random.default_rng(0)
    assert all(pearson(x, 3 * x) <= 1 for x in random.normal(size=(200, 7)))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([], [], "x and y: no rows"),
        ([1, 2, 3], [1, 2], "x has 3, y has 2"),
        ([1, 2, np.nan], [1, 2, 3], "row 2 of x is not a finite number:"),
        ([1, 2, 3], [np.inf, None, 3], r"row 0 of y is not a finite number \(2 such rows\)"),
        ([0.1, 0.1, 0.1], [1, 2, 3], r"x is 0.1 in every row \(3\)"),
        ([1, 2], [7, 7], "y is 7 in every row"),
        ([1], [1], "x is 1 in every row"),
        (["a", "b"], [1, 2], "x: not an array of numbers"),
        ([[1, 2]], [1, 2], r"x has shape \(1, 2\): give one value an item"),
        (np.nan, 1, r"x has shape \(\)"),
    ],
)
@pytest.mark.parametrize("correlation", [spearman, pearson])
def test_says_what_is_wrong(x: Any, y: Any, message: str, correlation: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match=message):
        correlation(x, y)
