"""Columns of values, and which of them holds the texts."""

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Any, cast

import numpy.typing as npt

from sememe.arguments import did_you_mean, is_missing
from sememe.errors import SememeWarning, TableError, warn

# What can be written: by column name, values or an array of shape (n,) or (n, dim).
Columns = Mapping[str, Sequence[object] | npt.NDArray[Any]]
# Which of a file's columns a reader keeps; None keeps them all.
Pick = Callable[[Sequence[str]], Sequence[str]] | None

# Names under which two columns are a pair, the first of them first.
PAIR_NAMES = (
    ("sentence1", "sentence2"), ("query", "document"), ("query", "passage"), ("query", "answer"),
    ("question", "answer"), ("premise", "hypothesis"), ("anchor", "positive"), ("text1", "text2"),
    ("first", "second"),
)  # fmt: skip
_PLACES = 3  # that a note names
_TEXT_NAMES = ("text", "sentence", "content", "document", "question", "query", "title")


@dataclass(frozen=True)
class Source:
    """Where values came from, so that a later error can name the place.

    `rows` is the file's own number, from 1, of each row; empty where they simply count up. `first`
    is how many rows of the file stood before these; `records` is the record number of each, where
    they do not count up from there.
    """

    file: str
    unit: str = "row"
    rows: Sequence[int] = ()
    first: int = 0
    records: Sequence[int] = ()

    def where(self, i: int) -> str:
        """The place of row `i` (from 0), such as "faq.csv, line 7"."""
        return f"{self.file}, {self.unit} {self.number(i)}"

    def number(self, i: int) -> int:
        """The file's own number of row `i` (from 0)."""
        return self.rows[i] if self.rows else i + 1

    def record(self, i: int) -> int:
        """The number, from 1, of row `i` (from 0) among the file's rows: pandas counts so, from 0.

        A row of csv is one record, however many lines its cells have.
        """
        return self.records[i] if self.records else self.first + i + 1

    def take(self, rows: Sequence[int]) -> "Source":
        """The source of these rows (from 0) alone; each keeps its place and its record number."""
        numbers, records = ([of(i) for i in rows] for of in (self.number, self.record))
        return replace(self, rows=numbers, records=records)


@dataclass(frozen=True)
class Texts:
    """The texts of one column; `source.where(i)` names the line that text `i` came from."""

    texts: list[str]
    column: str
    source: Source


@dataclass(frozen=True)
class Table:
    """Columns of equal length, by name; a key that a line of jsonl does not have is None.

    Those of parquet are Arrow's (`ArrowColumn`): Python values to who reads them, and written to
    parquet again with the type that they had.

    >>> Table({"id": ["1", "2"], "Text": ["hello", "world"]}).text_column()
    ['hello', 'world']
    """

    columns: Mapping[str, Sequence[object]]
    source: Source = Source("the table")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def take(self, rows: Sequence[int]) -> "Table":
        """The rows of these numbers (from 0), in their order, whose places are still known.

        >>> Table({"text": ["a", "b", "c"]}).take([2, 0]).columns
        {'text': ['c', 'a']}
        """
        columns = {
            name: values.take(rows) if hasattr(values, "take") else [values[i] for i in rows]
            for name, values in self.columns.items()
        }
        return Table(columns, self.source.take(rows))

    def column(self, name: str) -> Sequence[object]:
        """The values of one column; TableError if there is none of that name."""
        return self.columns[choose_column(list(self.columns), name, self.source.file)]

    def text_name(self, name: str | None = None) -> str:
        """The name of the column that `text_column` gives."""
        return choose_column(list(self.columns), name, self.source.file)

    def text_column(self, name: str | None = None) -> list[str]:
        """The texts of one column (None: the only one, or the one named like a text).

        A missing cell, null or NaN, is "", as a blank one may be: no text (see `BlankCells`).
        Raises TableError if there is no such column, or if a value in it is not a text.
        """
        name = self.text_name(name)
        texts = ["" if is_missing(value) else value for value in self.columns[name]]
        for i, value in enumerate(texts):
            if not isinstance(value, str):
                raise TableError(
                    f'{self.source.where(i)}: "{name}" is {reprlib.repr(value)}, not a text; give '
                    f"it a text, or remove the {self.source.unit}"
                )
        return cast(list[str], texts)


def tables_of(
    names: Sequence[str], rows: Iterator[tuple[int, Sequence[object]]], size: float, file: str
) -> Iterator[Table]:
    """Tables of up to `size` rows from rows that come one by one, each with its line's number."""
    first = 0
    while True:
        columns: dict[str, list[object]] = {name: [] for name in names}
        numbers: list[int] = []
        for number, cells in islice(rows, None if size == inf else int(size)):
            for values, cell in zip(columns.values(), cells, strict=True):
                values.append(cell)
            numbers.append(number)
        if not numbers:
            return
        yield Table(columns, Source(file, "line", numbers, first))
        first += len(numbers)


class BlankCells:
    """Counts cells of a column that hold no text, and warns of them once.

    >>> blanks = BlankCells("text")
    >>> blanks.add(["hello", " "], Source("faq.csv", "line", [2, 3]))
    [1]
    >>> blanks.warn("and has no vector")   # doctest: +SKIP
    note: faq.csv: 1 of 2 cells of "text" is blank (line 3) and has no vector
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._file = ""
        self._places: list[str] = []
        self._seen = 0
        self.count = 0
        """How many cells are blank."""

    def add(self, texts: Sequence[str], source: Source) -> list[int]:
        """Count a table's texts; returns the rows, from 0, of those that are blank."""
        blank = [row for row, text in enumerate(texts) if not text.strip()]
        self._file = source.file
        self._seen += len(texts)
        self.count += len(blank)
        room = _PLACES - len(self._places)
        self._places += [f"{source.unit} {source.number(row)}" for row in blank[:room]]
        return blank

    def warn(self, consequence: str) -> None:
        """Warn once of all of them, and of what follows: "and left out"."""
        if self.count:
            places = ", ".join(self._places) + ", …" * (self.count > len(self._places))
            warn(
                f'{self._file}: {self.count:,} of {self._seen:,} cells of "{self._column}" '
                f"{'is' if self.count == 1 else 'are'} blank ({places}) {consequence}",
                SememeWarning,
            )


def choose_column(names: Sequence[str], column: str | None, file: str) -> str:
    """The name among `names` that `column` means; None asks for the one that holds texts.

    An exact match goes first, then one that differs in case or outer spaces only.
    """
    if column is None and len(names) == 1:
        return names[0]
    by_folded_name = {_fold(name): name for name in reversed(names)}
    for name in _TEXT_NAMES if column is None else (column,):
        if name in names:
            return name
        if _fold(name) in by_folded_name:
            return by_folded_name[_fold(name)]
    columns = ", ".join(f'"{name}"' for name in names)
    if column is not None:
        guess = did_you_mean(column, names)
        raise TableError(f'{file} has no column "{column}"{guess}; its columns are {columns}')
    raise TableError(
        f"{file} has the columns {columns}, and none is called {', '.join(_TEXT_NAMES[:-1])} or "
        f"{_TEXT_NAMES[-1]}: say which to read with --column NAME (in Python, column=...)"
    )


def choose_pair(
    names: Sequence[str], columns: tuple[str, str] | None, file: str
) -> tuple[str, str]:
    """The names of the two columns that hold pairs; None asks for two that are named like one."""
    if columns is not None:
        first, second = (choose_column(names, column, file) for column in columns)
        if first == second:
            raise TableError(f'{file}: "{first}" was given as both columns; a pair needs two')
        return first, second
    by_folded_name = {_fold(name): name for name in reversed(names)}
    for first, second in PAIR_NAMES:
        if first in by_folded_name and second in by_folded_name:
            return by_folded_name[first], by_folded_name[second]
    all_names = ", ".join(f'"{name}"' for name in names)
    raise TableError(
        f"{file} has the columns {all_names}, and no two are named like a pair (sentence1 and "
        "sentence2, query and document, …): say which to read with --columns FIRST SECOND (in "
        "Python, columns=(first, second))"
    )


def _fold(name: str) -> str:
    return name.strip().casefold()
