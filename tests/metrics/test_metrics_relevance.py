import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from sememe.errors import InputError
from sememe.metrics import average_precision, best_f1

tied = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40)
real = st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=2, max_size=40)


def columns(items: list[tuple[float, bool]]) -> tuple[list[float], list[bool]]:
    scores, relevant = map(list, zip(*items, strict=True))
    assume(len(set(relevant)) == 2)
    return scores, relevant


@given(items=tied | real)
def test_average_precision_equals_scikit_learns(items: list[tuple[float, bool]]) -> None:
    scores, relevant = columns(items)
    expected = average_precision_score(relevant, scores)
    assert average_precision(scores, relevant) == pytest.approx(expected)


@settings(max_examples=50)
@given(items=tied | real)
def test_no_threshold_has_a_higher_f1(items: list[tuple[float, bool]]) -> None:
    scores, relevant = columns(items)
    found = best_f1(scores, relevant)
    by_hand = {t: f1_score(relevant, np.array(scores) >= t) for t in set(scores)}
    assert found.f1 == pytest.approx(max(by_hand.values()))
    assert found.f1 == pytest.approx(by_hand[found.threshold])


def test_of_equally_good_thresholds_the_highest() -> None:
    found = best_f1([0.9, 0.8, 0.7, 0.6], [1, 0, 0, 1])
    assert found.f1 == pytest.approx(2 / 3)
    assert found.threshold == 0.9


@pytest.mark.parametrize(
    ("scores", "relevant", "message"),
    [
        ([], [], "scores and relevant: no rows"),
        ([1, 2], [0, 0], r"relevant is 0 in every row \(2\): give relevant items and others"),
        ([1, 2], [True, True], "relevant is 1 in every row"),
        ([1, 2, 3], [0, 1, 3], "row 2 of relevant is 3: give 0 or 1"),
        ([1, np.nan], [0, 1], "row 1 of scores is not a finite number"),
        ([1], [0, 1], "scores has 1, relevant has 2"),
    ],
)
def test_say_what_is_wrong(scores: list[float], relevant: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        average_precision(scores, relevant)
    with pytest.raises(InputError, match=message):
        best_f1(scores, relevant)
