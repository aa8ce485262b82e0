"""The statistics that intervals take a thousand times, against scipy and scikit-learn."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, f1_score

from sememe.errors import InputError
from sememe.evaluation.metrics import average_precision, macro_f1, spearman

tied = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40)
real = st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=2, max_size=40)
numbers = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=40)


def columns(items: list[tuple[Any, Any]]) -> tuple[Any, Any]:
    first, second = map(np.array, zip(*items, strict=True))
    return first, second


@pytest.mark.slow
@given(pairs=numbers)
def test_spearman_equals_scipys(pairs: list[tuple[int, int]]) -> None:
    x, y = columns(pairs)
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    _, steps = np.unique(x, return_inverse=True)
    assert spearman(steps**3, y) == spearman(x, y) == spearman(y, x)
    assert spearman(-x, y) == pytest.approx(-spearman(x, y), abs=1e-12)
    assert abs(spearman(x, 3 * x)) <= 1


def test_scores_without_an_order_are_worth_nothing_and_a_gold_without_one_is_undefined() -> None:
    assert spearman(np.ones(3), np.arange(3)) == 0
    assert np.isnan(spearman(np.arange(3), np.ones(3)))


@pytest.mark.slow
@given(items=tied | real)
def test_average_precision_equals_scikit_learns(items: list[tuple[float, bool]]) -> None:
    scores, relevant = columns(items)
    assume(len(set(relevant)) == 2)
    expected = average_precision_score(relevant, scores)
    assert average_precision(scores, relevant) == pytest.approx(expected)


def test_average_precision_needs_relevant_items_and_others() -> None:
    for relevant in (np.ones(3, bool), np.zeros(3, bool)):
        assert np.isnan(average_precision(np.arange(3), relevant))


@pytest.mark.slow
@given(pairs=numbers)
def test_macro_f1_equals_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    predicted, gold = columns(pairs)
    assert macro_f1(predicted, gold) == pytest.approx(f1_score(gold, predicted, average="macro"))


@pytest.mark.parametrize("statistic", [spearman, average_precision])
def test_a_score_that_is_no_number_is_refused(statistic: Any) -> None:
    with pytest.raises(InputError, match="a score is not a finite number"):
        statistic(np.array([0, np.nan, 1]), np.array([0, 1, 1]))
