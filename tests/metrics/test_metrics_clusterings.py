from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, v_measure_score

from sememe.errors import InputError
from sememe.metrics import adjusted_mutual_info, adjusted_rand, v_measure

AGAINST = [
    pytest.param(v_measure, v_measure_score, id="v"),
    pytest.param(adjusted_mutual_info, adjusted_mutual_info_score, id="ami"),
    pytest.param(adjusted_rand, adjusted_rand_score, id="ari"),
]
METRICS = [v_measure, adjusted_mutual_info, adjusted_rand]
groups = st.integers(0, 6)


@given(pairs=st.lists(st.tuples(groups, groups), min_size=1, max_size=60))
@pytest.mark.parametrize(("ours", "reference"), AGAINST)
def test_equal_scikit_learns(
    pairs: list[tuple[int, int]], ours: Callable[..., Any], reference: Callable[..., Any]
) -> None:
    found, gold = map(list, zip(*pairs, strict=True))
    assert ours(found, gold) == pytest.approx(reference(gold, found), abs=1e-9)


@pytest.mark.parametrize(("ours", "reference"), AGAINST)
def test_equal_scikit_learns_on_many_items(
    ours: Callable[..., Any], reference: Callable[..., Any]
) -> None:
    random = np.random.default_rng(0)
    gold = random.zipf(1.5, 120_000).clip(max=40)
    found = np.where(random.random(len(gold)) < 0.3, gold, random.integers(0, 50, len(gold)))
    assert ours(found, gold) == pytest.approx(reference(gold, found), rel=1e-9)


@given(gold=st.lists(groups, min_size=1), shift=st.integers(1, 9))
def test_same_groups_under_other_names_are_1(gold: list[int], shift: int) -> None:
    found = [f"group {label * shift}" for label in gold]
    assert [metric(found, gold) for metric in METRICS] == [1, 1, 1]


def test_chance_is_worth_nothing_to_the_adjusted() -> None:
    random = np.random.default_rng(0)
    found, gold = random.integers(0, 100, (2, 500))
    assert v_measure(found, gold) > 0.5
    assert abs(adjusted_mutual_info(found, gold)) < 0.05
    assert abs(adjusted_rand(found, gold)) < 0.02


@pytest.mark.parametrize("metric", METRICS)
def test_say_what_is_wrong(metric: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="found has 2, gold has 1"):
        metric([0, 1], [0])
    with pytest.raises(InputError, match="no rows"):
        metric([], [])
    with pytest.raises(InputError, match="row 1 of gold is not a label"):
        metric([0, 1], ["a", None])
