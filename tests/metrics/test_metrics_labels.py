from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from sememe.errors import InputError
from sememe.metrics import accuracy, f1, f1_by_class

numbered = st.lists(st.tuples(st.integers(-2, 4), st.integers(-2, 4)), min_size=1, max_size=40)
texts = st.sampled_from(["", "a", "b", "ä b", "nan"])
named = st.lists(st.tuples(texts, texts), min_size=1, max_size=40)


@given(pairs=numbered | named)
def test_equal_scikit_learns(pairs: list[tuple[object, object]]) -> None:
    predicted, gold = map(list, zip(*pairs, strict=True))
    assert accuracy(predicted, gold) == pytest.approx(accuracy_score(gold, predicted))
    assert f1(predicted, gold) == pytest.approx(f1_score(gold, predicted, average="macro"))
    classes = f1_by_class(predicted, gold)
    assert list(classes) == sorted({*predicted, *gold})
    expected = f1_score(gold, predicted, average=None)
    assert list(classes.values()) == pytest.approx(list(expected))


def test_any_array_of_labels_will_do() -> None:
    for gold in (
        ["yes", "no", "yes"],
        ("yes", "no", "yes"),
        np.array(["yes", "no", "yes"]),
        np.array(["yes", "no", "yes"], dtype=object),
    ):
        assert accuracy(["yes", "no", "no"], gold) == pytest.approx(2 / 3)
    assert f1([True, False], [1, 0]) == 1
    assert set(f1_by_class([True, False], [True, True])) == {False, True}


@pytest.mark.parametrize(
    ("predicted", "gold", "message"),
    [
        ([], [], "predicted and gold: no rows"),
        (["a"], ["a", "b"], "predicted has 1, gold has 2"),
        (["a", "b"], ["a", float("nan")], "row 1 of gold is not a label"),
        (np.array(["a", None], dtype=object), ["a", "b"], "row 1 of predicted is not a label"),
        ([0, 1], np.array([np.nan, 1.0]), "row 0 of gold is not a finite number"),
        ([["a"]], ["a"], r"predicted has shape \(1, 1\): give one value an item"),
    ],
)
def test_say_what_is_wrong(predicted: Any, gold: Any, message: str) -> None:
    for metric in (accuracy, f1, f1_by_class):
        with pytest.raises(InputError, match=message):
            metric(predicted, gold)
