"""Which columns are numbers and which are dates, whatever they were read from."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.errors import GuessWarning, SememeWarning
from sememe.tables import cell_text, dates_of, is_blank, numbers_of

DAY = datetime(2026, 11, 29)


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), "", " \t", pd.NaT, pd.NA])
def test_cells_that_hold_nothing_are_blank(value: Any) -> None:
    assert is_blank(value)
    assert cell_text(value) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (False, "False"), (3.0, "3"), (0.5, "0.5"), (date(2026, 1, 2), "2026-01-02"),
        (DAY, "2026-11-29"), (pd.Timestamp(DAY), "2026-11-29"), (1e300, "1e+300"), (" a ", " a "),
    ],
)  # fmt: skip
def test_cells_are_texts_as_people_read_them(value: Any, text: str) -> None:
    assert cell_text(value) == text


@pytest.mark.parametrize(
    "values",
    [["1", "-2.5", "3e2", " 4 "], [1, -2.5, 300, Decimal(4)], np.array([1, -2.5, 300, 4])],
)
def test_numbers_are_read_from_texts_and_numbers(values: Any) -> None:
    assert numbers_of("n", values) == [1, -2.5, 300, 4]


@pytest.mark.parametrize(
    "values",
    [
        ["007", "12"], ["1", "two"], [True, False], ["", None], [],
        [2**53 + 1], ["1e400"], ["1_000"], ["inf", "nan"], ["+4930123"],
    ],
)  # fmt: skip
def test_codes_words_and_what_a_float_would_change_are_no_numbers(values: list[Any]) -> None:
    assert numbers_of("n", values) is None


@given(st.lists(st.floats(-(2.0**52), 2.0**52), min_size=1))
def test_any_float_comes_back(values: list[float]) -> None:
    assert numbers_of("n", [repr(value) for value in values]) == values


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-29", "2026/11/29", "29.11.2026", "29/11/2026", "11/29/2026", "29.11.2026 00:00",
        date(2026, 11, 29), DAY, pd.Timestamp(DAY), np.datetime64(DAY), "2026-11-29T00:00:00Z",
        DAY.replace(tzinfo=UTC), datetime(2026, 11, 29, 2, tzinfo=timezone(timedelta(hours=2))),
    ],
)  # fmt: skip
def test_one_day_in_all_its_spellings(value: Any) -> None:
    assert dates_of("day", [value, None]) == [DAY, None]


def test_one_order_is_read_in_the_whole_column() -> None:
    assert dates_of("d", ["01/02/2026", "01/31/2026"]) == [
        datetime(2026, 1, 2), datetime(2026, 1, 31),
    ]  # fmt: skip
    with pytest.warns(GuessWarning, match='"d" is read as day/month/year'):
        assert dates_of("d", ["01/02/2026"]) == [datetime(2026, 2, 1)]


def test_unreadable_cells_are_named_once() -> None:
    values = ["2026-11-29"] * 18 + ["soon", "", "31.31.2026"]
    expected = (
        r'^"day": 2 of 21 cells are no date \(row 18: \'soon\', row 20: \'31.31.2026\'\); '
        r"rows are counted from 0.$"
    )
    with pytest.warns(SememeWarning, match=expected) as warned:
        assert dates_of("day", values) == [DAY] * 18 + [None] * 3
    assert len(warned) == 1


@pytest.mark.parametrize("values", [["soon", "2026-11-29"], ["", None], [], [20261129]])
def test_other_columns_are_no_dates(values: list[Any]) -> None:
    assert dates_of("day", values) is None
