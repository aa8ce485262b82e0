"""Columns of values, and which of them holds the texts."""

import difflib
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from sememe.errors import TableError

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
_TEXT_NAMES = ("text", "sentence", "content", "document", "question", "query", "title")


@dataclass(frozen=True)
class Source:
    """Where values came from, so that a later error can name the place.

    `rows` is the file's own number, from 1, of each row; empty where they simply count up.
    """

    file: str
    unit: str = "row"
    rows: Sequence[int] = ()

    def where(self, i: int) -> str:
        """The place of row `i` (from 0), such as "faq.csv, line 7"."""
        return f"{self.file}, {self.unit} {self.number(i)}"

    def number(self, i: int) -> int:
        """The file's own number of row `i` (from 0)."""
        return self.rows[i] if self.rows else i + 1


@dataclass(frozen=True)
class Texts:
    """The texts of one column; `source.where(i)` names the line that text `i` came from."""

    texts: list[str]
    column: str
    source: Source


@dataclass(frozen=True)
class Table:
    """Columns of equal length, by name; a key that a line of jsonl does not have is None.

    >>> Table({"id": ["1", "2"], "Text": ["hello", "world"]}).text_column()
    ['hello', 'world']
    """

    columns: dict[str, list[object]]
    source: Source = Source("the table")

    def column(self, name: str) -> list[object]:
        """The values of one column; TableError if there is none of that name."""
        return self.columns[choose_column(list(self.columns), name, self.source.file)]

    def text_name(self, name: str | None = None) -> str:
        """The name of the column that `text_column` gives."""
        return choose_column(list(self.columns), name, self.source.file)

    def text_column(self, name: str | None = None) -> list[str]:
        """The texts of one column (None: the only one, or the one named like a text).

        Raises TableError if there is no such column, or if a value in it is not a text.
        """
        name = self.text_name(name)
        values = self.columns[name]
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) == len(values):
            return texts
        i, value = next((i, v) for i, v in enumerate(values) if not isinstance(v, str))
        found = "is missing or null" if value is None else f"is {reprlib.repr(value)}, not a text"
        mend = f"give it a text, or remove the {self.source.unit}"
        raise TableError(f'{self.source.where(i)}: "{name}" {found}; {mend}')


def choose_column(names: Sequence[str], column: str | None, file: str) -> str:
    """The name among `names` that `column` means; None asks for the one that holds texts.

    An exact match goes first, then one that differs in case or outer spaces only.
    """
    if column is None and len(names) == 1:
        return names[0]
    alike = {_fold(name): name for name in reversed(names)}
    for wanted in _TEXT_NAMES if column is None else (column,):
        if wanted in names:
            return wanted
        if _fold(wanted) in alike:
            return alike[_fold(wanted)]
    listed = ", ".join(f'"{name}"' for name in names)
    if column is not None:
        guess = did_you_mean(column, names)
        raise TableError(f'{file} has no column "{column}"{guess}; its columns are {listed}')
    raise TableError(
        f"{file} has the columns {listed}, and none is called {', '.join(_TEXT_NAMES[:-1])} or "
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
    alike = {_fold(name): name for name in reversed(names)}
    for first, second in PAIR_NAMES:
        if first in alike and second in alike:
            return alike[first], alike[second]
    listed = ", ".join(f'"{name}"' for name in names)
    raise TableError(
        f"{file} has the columns {listed}, and no two are named like a pair (sentence1 and "
        "sentence2, query and document, …): say which to read with --columns FIRST SECOND (in "
        "Python, columns=(first, second))"
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A half sentence that offers the nearest known name, or "" when none is near."""
    folded = {_fold(each): each for each in known}
    near = difflib.get_close_matches(_fold(name), folded, n=1)
    return f' (did you mean "{folded[near[0]]}"?)' if near else ""


def _fold(name: str) -> str:
    return name.strip().casefold()
