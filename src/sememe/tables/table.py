"""Columns of values, and which of them holds the texts."""

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from sememe.arguments import did_you_mean, is_missing
from sememe.errors import BlankWarning, GuessWarning, TableError, warn
from sememe.extras import importing

if TYPE_CHECKING:
    import pandas

# What can be written: by column name, values or an array of shape (n,) or (n, dim).
Columns = Mapping[str, Sequence[object] | npt.NDArray[Any]]
# One column of texts, several whose texts are joined, or None for the one that is named like texts.
Names = str | Sequence[str] | None
# Which of a file's columns a reader keeps; None keeps them all.
Pick = Callable[[Sequence[str]], Sequence[str]] | None

# Names under which two columns are a pair, the first of them first.
PAIR_NAMES = (
    ("sentence1", "sentence2"), ("query", "document"), ("query", "passage"), ("query", "answer"),
    ("question", "answer"), ("premise", "hypothesis"), ("anchor", "positive"), ("text1", "text2"),
    ("first", "second"),
)  # fmt: skip
_PLACES = 3  # that a note names
_HOW = "--column NAME (in Python, column=...)"
_LETTER = re.compile(r"[^\W\d_]")
_TEXT_NAMES = ("text", "sentence", "content", "document", "question", "query", "title")


@dataclass(frozen=True)
class Source:
    """Where values came from, so that a later error can name the place.

    `rows` is the file's own number, from 1, of each row; empty where they simply count up. `first`
    is how many rows of the file stood before these; `records` is the record number of each, where
    they do not count up from there. `letters` are those of a sheet's columns, by their names.
    """

    file: str
    unit: str = "row"
    rows: Sequence[int] = ()
    first: int = 0
    records: Sequence[int] = ()
    letters: Mapping[str, str] = field(default_factory=dict)

    def where(self, i: int, column: str = "") -> str:
        """The place of row `i` (from 0), such as "faq.csv, line 7"; in a sheet, of one cell."""
        letter = f", column {self.letters[column]}" if column in self.letters else ""
        return f"{self.file}, {self.unit} {self.number(i)}{letter}"

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

    def text_names(self, names: Names = None) -> list[str]:
        """The names of the columns that `text_column` reads."""
        return choose_columns(list(self.columns), names, self.source.file)

    def text_name(self, names: Names = None) -> str:
        """How messages call what `text_column` reads: `title`, or `title + abstract`."""
        return " + ".join(self.text_names(names))

    def text_column(self, names: Names = None) -> list[str]:
        """The texts of a column (None: the only one, or the one named like a text), or of several.

        Those of several columns are joined by a blank line, without the blank cells. A missing
        cell, null or NaN, is "", as a blank one may be: no text (see `BlankCells`). Raises
        TableError if there is no such column, or if a value in it is not a text.

        >>> Table({"title": ["Cats", ""], "body": ["They purr.", "Dogs bark."]}).text_column(
        ...     ["title", "body"])
        ['Cats\\n\\nThey purr.', 'Dogs bark.']
        """
        columns = [self._texts(name) for name in self.text_names(names)]
        if len(columns) == 1:
            return columns[0]
        rows = zip(*columns, strict=True)
        return ["\n\n".join(text for text in row if text.strip()) for row in rows]

    def _texts(self, name: str) -> list[str]:
        texts = []
        for i, value in enumerate(self.columns[name]):
            if isinstance(value, str):
                texts.append(value)
            elif is_missing(value):
                texts.append("")
            elif self.source.letters and type(value) in (int, float):
                texts.append(str(value))  # a sheet makes numbers of digits; csv has them as texts
            else:
                raise TableError(
                    f'{self.source.where(i, name)}: "{name}" is {reprlib.repr(value)}, not a text; '
                    f"give it a text, or remove the {self.source.unit}"
                )
        return texts


def checked_header(names: Sequence[str], file: str) -> list[str]:
    """Names of columns, a blank one as `column 3`; TableError for one that comes twice, or none."""
    # pandas writes its index as a column without a name, so one is no mistake.
    header = [name if name.strip() else f"column {at}" for at, name in enumerate(names, 1)]
    if not header:
        raise TableError(f"{file} has no header: its first line must name the columns")
    if copies := [name for at, name in enumerate(header) if name in header[:at]]:
        raise TableError(f'{file}: two columns are called "{copies[0]}": rename one of them')
    return header


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
    """Counts cells of a column that hold no text, and warns of them once, or if none has a letter.

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
        self._has_letters = False
        self.count = 0
        """How many cells are blank."""

    def add(self, texts: Sequence[str], source: Source) -> list[int]:
        """Count a table's texts; returns the rows, from 0, of those that are blank."""
        blank = [row for row, text in enumerate(texts) if not text.strip()]
        self._file = source.file
        self._seen += len(texts)
        self.count += len(blank)
        self._has_letters = self._has_letters or any(map(_LETTER.search, texts))
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
                BlankWarning,
            )
        if self._seen > self.count and not self._has_letters:
            warn(
                f'{self._file}: no cell of "{self._column}" has a letter: is it the column with '
                "the text?",
                GuessWarning,
            )


def choose_column(names: Sequence[str], column: str | None, file: str, how: str = _HOW) -> str:
    """The name among `names` that `column` means; None asks for the one that holds texts.

    An exact match goes first, then one that differs in case or outer spaces only. `how` is how
    users name one.
    """
    if column is None and len(names) == 1:
        return names[0]
    by_folded_name = {_fold(name): name for name in reversed(names)}
    for name in _TEXT_NAMES if column is None else (column,):
        if name in names:
            return name
        if _fold(name) in by_folded_name:
            return by_folded_name[_fold(name)]
    columns = ", ".join(f'"{name}"' for name in names) or "none"
    if column is not None:
        guess = did_you_mean(column, names)
        raise TableError(f'{file} has no column "{column}"{guess}; its columns are {columns}')
    raise TableError(
        f"{file} has the columns {columns}, and none is called {', '.join(_TEXT_NAMES[:-1])} or "
        f"{_TEXT_NAMES[-1]}: say which to read with {how}"
    )


def choose_columns(names: Sequence[str], columns: Names, file: str) -> list[str]:
    """The names among `names` that `columns` mean; a TableError for one that comes twice."""
    if columns is None or isinstance(columns, str):
        return [choose_column(names, columns, file)]
    picked = [choose_column(names, column, file) for column in columns]
    if copies := [name for at, name in enumerate(picked) if name in picked[:at]]:
        raise TableError(f'{file}: the column "{copies[0]}" is named twice; name it once')
    return picked


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


def series_index(texts: object) -> Any:
    """The index of a pandas Series; None for all other texts, whose rows simply count up."""
    index = getattr(texts, "index", None)
    return None if callable(index) else index  # of a list it is a method


def to_frame(columns: Columns, index: Any = None) -> "pandas.DataFrame":
    """Columns as a DataFrame, under an index (n,) of the user's; MissingExtra without pandas."""
    with importing("pandas", purpose="to_frame()"):
        import pandas
    return pandas.DataFrame(dict(columns), index=index)
