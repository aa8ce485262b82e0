"""The rows of a file as a job takes them: part by part, each with all its columns."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar

from sememe.errors import SememeWarning
from sememe.tables import ArrowColumn, BlankCells, Table, stream_table
from sememe.tables.files import StrPath, file_name, input_format
from sememe.tables.parquet import arrow_column, joined

Item = TypeVar("Item", str, tuple[str, str])
Choose = Callable[[Sequence[str], str], Sequence[Sequence[str]]]

_KINDS = {bool: "bool", date: "date32", datetime: "timestamp[us]", time: "time64[us]"}
_EXACT = 2**53  # whole numbers up to here are floats without loss


@dataclass(frozen=True)
class Part(Generic[Item]):
    """Rows that are computed together: `items`, a text or a pair each, and `columns` beside them.

    The rows that are `blank` (from 0) have no text, and so no result. `where` is what a message
    calls row i, and `identity` a text, or a tuple of texts, a row: all that the output depends on.
    """

    items: list[Item]
    columns: Mapping[str, Any]
    blank: Sequence[int]
    where: Callable[[int], str]
    identity: Sequence[str | tuple[str, ...]]


class FileRows:
    """The rows of a file, each a text or a pair, with all columns that the file has.

    The first rows are read at once, so that a file that cannot be read is told of before a model is
    loaded. Only what cannot be read twice (standard input, pipes) is held in memory as a whole.

    Args:
        path: the file; `-` for lines on standard input.
        choose: from the names of all columns and the file's, those of the texts, and for pairs
            those of the first and those of the second texts; several make one text, see
            `Table.text_column`.
        form: the suffix of what is written, "" for a folder of parquet files.
    """

    def __init__(self, path: StrPath, choose: Choose, form: str) -> None:
        def pick(names: Sequence[str]) -> Sequence[str]:
            self._sides = choose(names, file_name(path))
            self.texts = list(chain(*self._sides))
            return self.texts if form == ".npy" else names  # which holds results alone

        self.path = path
        tables = stream_table(path, pick)
        self._first = next(tables)
        self._tables = chain([self._first], tables)
        self._kinds: dict[str, _Kind] = {}
        if form in ("", ".parquet") and input_format(path) in ("jsonl", "xlsx"):
            self._find_kinds()
        self.blanks = BlankCells('" or "'.join(map(" + ".join, self._sides)))

    @property
    def settings(self) -> dict[str, Any]:
        """What the output depends on beside the rows, as a job's settings."""
        kinds = {
            name: str(values.field.type) if isinstance(values, ArrowColumn) else ""
            for name, values in self._columns([self._first.take([])]).items()
        }
        columns = [f"{name} {kind}".strip() for name, kind in kinds.items()]
        return {"texts": self.texts, "columns": columns}

    def empty(self) -> Part[Any]:
        """A part without rows."""
        return Part([], self._columns([self._first.take([])]), [], str, [])

    def parts(self, most: int, characters: int) -> Iterator[Part[Any]]:
        """Yield the rows in parts of at most so many, fewer where they are long."""
        pieces: list[Table] = []
        identity: list[tuple[str, ...]] = []
        size = 0
        for table in self._tables:
            start = 0
            shown = [map(repr, column) for column in table.columns.values()]
            for row, values in enumerate(zip(*shown, strict=True)):
                identity.append(values)
                size += sum(map(len, values))
                if len(identity) == most or size > characters:
                    yield self._part([*pieces, table.take(range(start, row + 1))], identity)
                    pieces, identity, size, start = [], [], 0, row + 1
            if start < len(table):
                pieces.append(table.take(range(start, len(table))))
        if pieces:
            yield self._part(pieces, identity)

    def _part(self, pieces: list[Table], identity: list[tuple[str, ...]]) -> Part[Any]:
        items: list[Any] = []
        blank: list[int] = []
        for table in pieces:
            rows = list(zip(*map(table.text_column, self._sides), strict=True))
            shortest = [min(row, key=lambda text: bool(text.strip())) for row in rows]
            blank += [len(items) + row for row in self.blanks.add(shortest, table.source)]
            items += rows if len(self._sides) > 1 else [text for (text,) in rows]
        places = [table.source.where(row) for table in pieces for row in range(len(table))]
        return Part(items, self._columns(pieces), blank, places.__getitem__, identity)

    def _columns(self, pieces: list[Table]) -> dict[str, Any]:
        columns: dict[str, Any] = {}
        for name in pieces[0].columns:
            values: list[Any] = [table.columns[name] for table in pieces]
            if isinstance(values[0], ArrowColumn):
                columns[name] = joined(values)
            elif name in self._kinds:
                columns[name] = self._kinds[name].column(name, list(chain(*values)))
            else:
                columns[name] = list(chain(*values))
        return columns

    def _find_kinds(self) -> None:
        """One type of parquet for each column of cells without one, by the values of all rows."""
        if Path(self.path).is_file():
            tables: Iterable[Table] = stream_table(self.path)
        else:
            tables = list(self._tables)
            self._tables = chain(tables)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SememeWarning)  # the other reading warns
            for table in tables:
                for name, values in table.columns.items():
                    self._kinds.setdefault(name, _Kind()).add(values)


class _Kind:
    """The type in parquet of a column of values: one for all of them, else texts, or JSON."""

    def __init__(self) -> None:
        self._types: set[type] = set()
        self._largest = 0

    def add(self, values: Sequence[Any]) -> None:
        self._types |= set(map(type, values)) - {type(None)}
        if int in self._types:
            sizes = (abs(value) for value in values if type(value) is int)
            self._largest = max(self._largest, *sizes, 0)

    def column(self, name: str, values: list[Any]) -> ArrowColumn:
        kind = "string"
        if len(self._types) == 1 and self._types <= _KINDS.keys():
            kind = _KINDS[next(iter(self._types))]
        elif self._types == {int} and self._largest < 2**63:
            kind = "int64"
        elif self._types in ({float}, {int, float}) and self._largest <= _EXACT:
            kind = "float64"
            values = [None if value is None else float(value) for value in values]
        elif self._types - {str}:
            values = [
                v if v is None or isinstance(v, str)
                else str(v) if isinstance(v, date | time)
                else json.dumps(v, ensure_ascii=False)
                for v in values
            ]  # fmt: skip
        return arrow_column(name, values, kind)
