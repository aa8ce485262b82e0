"""What the cells of a column are, whatever they were read from: numbers, dates, or neither."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from numbers import Real
from typing import Any, TypeVar

from sememe.arguments import is_missing, shown
from sememe.errors import GuessWarning, SememeWarning, warn

Value = TypeVar("Value")

_SHARE = 0.8  # of a column's cells that must be readable
_EXAMPLES = 3  # of unreadable cells, in a note
_LARGEST = 2**53  # whole numbers from it on are identifiers, which a float would change
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_CODE = re.compile(r"0\d+")
_DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?!\d)")


def is_blank(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT, NA, or only spaces.

    >>> [is_blank(value) for value in (None, float("nan"), " ", 0, "0")]
    [True, True, True, False, False]
    """
    if isinstance(value, str):
        return not value.strip()
    return is_missing(value) or bool(value != value)


def cell_text(value: Any) -> str:
    """A cell as people read it: whole numbers without a fraction, days without midnight.

    >>> cell_text(3.0), cell_text(datetime(2026, 11, 29)), cell_text(None)
    ('3', '2026-11-29', '')
    """
    if is_blank(value):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST:
        return str(int(value))
    return str(value).removesuffix(" 00:00:00")


def numbers_of(name: str, values: Sequence[Any]) -> list[float | None] | None:
    """The numbers of a column, None for a blank cell; None if it is no column of numbers.

    Four cells of five must be numbers; one warning names those that are not. Codes such as "007"
    and whole numbers from 2 ** 53 on are no numbers: to read them as such would change them.

    >>> numbers_of("score", ["1.5", "", 3])
    [1.5, None, 3.0]
    """
    if any(isinstance(value, str) and _CODE.fullmatch(value.strip()) for value in values):
        return None
    return _read(name, "number", values, _number)


def dates_of(name: str, values: Sequence[Any]) -> list[datetime | None] | None:
    """The dates of a column, None for a blank cell; None if it is no column of dates.

    Dates and times of Python, numpy and pandas, and texts: 2026-11-29 with or without a time,
    2026/11/29, 29.11.2026, 29/11/2026, 11/29/2026. One order is read in the whole column; where
    both fit, the day goes first, and a warning says so. Else as `numbers_of`. Times with a zone are
    given in UTC; no result has a zone.

    >>> dates_of("day", ["2026-11-29", None])
    [datetime.datetime(2026, 11, 29, 0, 0), None]
    """
    cells = [value for value in values if isinstance(value, str)]
    parts = [match.groups() for match in map(_DATE.match, map(str.strip, cells)) if match]
    days_first = sum(int(second) <= 12 for _, mark, second, _ in parts if mark != ".")
    months_first = sum(int(first) <= 12 for first, mark, _, _ in parts if mark != ".")
    month_first = months_first > days_first
    dates = _read(name, "date", values, lambda value: _date(value, month_first))
    if dates and days_first and days_first == months_first:
        warn(
            f'"{name}" is read as day/month/year; month/day/year fits as well.',
            GuessWarning,
            once=True,
        )
    return dates


def _read(
    name: str, kind: str, values: Sequence[Any], read: Callable[[Any], Value | None]
) -> list[Value | None] | None:
    """Each cell as `read` gives it; None if too few can be read, else one warning of the others."""
    cells = [None if is_blank(value) else read(value) for value in values]
    wrong = [
        i
        for i, (cell, value) in enumerate(zip(cells, values, strict=True))
        if cell is None and not is_blank(value)
    ]
    readable = sum(cell is not None for cell in cells)
    if readable == 0 or readable < _SHARE * (readable + len(wrong)):
        return None
    if wrong:
        places = ", ".join(f"row {i}: {shown(cell_text(values[i]))}" for i in wrong[:_EXAMPLES])
        warn(
            f'"{name}": {len(wrong):,} of {len(cells):,} cells {"is" if len(wrong) == 1 else "are"}'
            f" no {kind} ({places}{', …' * (len(wrong) > _EXAMPLES)}); rows are counted from 0.",
            SememeWarning,
            once=True,
        )
    return cells


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        value = value.strip()
        number = float(value) if _NUMBER.fullmatch(value) else None
    elif isinstance(value, Real | Decimal) and not isinstance(value, bool):
        number = float(value)
    else:
        return None
    return number if number is not None and isfinite(number) and abs(number) < _LARGEST else None


def _date(value: Any, month_first: bool) -> datetime | None:
    if type(value).__name__ == "datetime64":
        value = value.astype("datetime64[us]").item()
    try:
        if isinstance(value, str) and (match := _DATE.match(value.strip())):
            first, mark, second, year = match.groups()
            month, day = (first, second) if month_first and mark != "." else (second, first)
            value = datetime(int(year), int(month), int(day))
        elif isinstance(value, str):
            value = datetime.fromisoformat(value.strip().replace("/", "-"))
    except ValueError:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        return None
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
