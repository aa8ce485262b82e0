"""Budgets are read as people write them, and long work says so first."""

import warnings
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.costs import Budget, duration, rate, record_rate, warn_of_duration
from sememe.errors import CostWarning, InputError


@pytest.mark.parametrize(
    ("budget", "pairs"),
    [("3n", 3000), ("0.5n", 500), (20_000, 20_000), ("20,000", 20_000), (np.int64(7), 7),
     ("2min", 12_000), ("30 s", 3000), ("1h", 360_000), ("0.001 s", 0), ("all", 499_500),
     ("1000000n", 499_500), (10**9, 499_500), (Budget(), 499_500)],
)  # fmt: skip
def test_a_budget_among_a_thousand_texts(budget: str | int | Budget, pairs: int) -> None:
    assert Budget.parse(budget).count(1000, pairs_per_second=100) == pairs


@pytest.mark.parametrize(
    "budget",
    [
        "",
        "n",
        "-3n",
        "0n",
        "2 weeks",
        0,
        -1,
        True,
        3.5,
        None,
        "0",
        "0 s",
        "1,5",
        "9" * 5000,
        "9" * 400 + "n",
        b"3n",
    ],
)
def test_what_is_no_budget_is_refused(budget: object) -> None:
    with pytest.raises(InputError, match=r"^budget=.*\"3n\""):
        Budget.parse(budget)  # type: ignore[arg-type]


@pytest.mark.slow
@given(st.integers(0, 2000), st.floats(0.1, 50))
def test_there_are_never_more_pairs_than_there_are(texts: int, each: float) -> None:
    assert 0 <= Budget(per_text=each).count(texts) <= texts * (texts - 1) // 2
    assert Budget(seconds=1).count(texts, inf) == texts * (texts - 1) // 2


def test_durations_are_for_people() -> None:
    assert [duration(s) for s in (3, 61, 200, 5400)] == ["3 s", "1 min", "3 min", "1.5 h"]


def test_only_what_takes_long_is_said() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not warn_of_duration("Encoding 5 texts", 59)
    with pytest.warns(CostWarning, match=r"5,000 texts will take about 3 min\. Take less\.$"):
        assert warn_of_duration("Encoding 5,000 texts", 180, "Take less.")


def test_the_first_rate_counts() -> None:
    assert rate("a test of rates") == 0
    record_rate("a test of rates", 10, 2)
    record_rate("a test of rates", 10, 1)
    assert rate("a test of rates") == 5
