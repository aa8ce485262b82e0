"""A file's rows as an index keeps them, checked to the last cell before anything is written."""

import re
import reprlib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sememe.errors import InputError, SememeWarning, TableError, warn
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.search import Row
    from sememe.tables import Source, Table

_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+)?")
_NAMED = 3  # blank rows


def without_blanks(table: "Table", column: str) -> "Table":
    """The table without the rows whose text is blank, of which a note tells."""
    from sememe.tables import Source, Table

    texts, source = table.text_column(column), table.source
    rows = [row for row, text in enumerate(texts) if text.strip()]
    blank = [str(source.number(row)) for row, text in enumerate(texts) if not text.strip()]
    if not blank:
        return table
    if not rows:
        raise TableError(f'{source.file} has no text: every "{column}" is blank')
    warn(
        f"{source.file}: {counted(len(blank), 'blank text')} left out: {source.unit} "
        f"{', '.join(blank[:_NAMED])}{', …' if len(blank) > _NAMED else ''}",
        SememeWarning,
    )
    columns = {name: [values[row] for row in rows] for name, values in table.columns.items()}
    return Table(columns, Source(source.file, source.unit, [source.number(row) for row in rows]))


def file_ids(table: "Table", column: str) -> list[Any]:
    """A column of ids; TableError where one is none, or comes twice."""
    from sememe.search.rows import check_ids

    ids = table.columns[column]
    seen: dict[object, int] = {}
    for row, own in enumerate(ids):
        try:
            check_ids([own])  # type: ignore[list-item]
        except InputError:
            raise TableError(
                f'{table.source.where(row)}: "{column}" is {reprlib.repr(own)}, which is no id'
            ) from None
        if seen.setdefault(own, row) != row:
            raise TableError(
                f'{table.source.where(row)}: "{column}" is {own!r}, as in '
                f"{table.source.where(seen[own])}; an id stands for one text"
            )
    return ids


def file_metadata(
    table: "Table", taken: set[str | None], there: Collection["Row"], *, delimited: bool
) -> list[dict[str, Any]]:
    """All other columns, a dict a row; empty cells and null are not kept.

    A csv's cells become numbers where all of a column are, or where the rows that are `there` have
    numbers under its name; where they have texts, all stay texts.
    """
    from sememe.search.rows import why_not_json

    found: list[dict[str, Any]] = [{} for _ in range(len(next(iter(table.columns.values()))))]
    kept = [name for name in table.columns if name not in taken]
    for name in kept:
        key = _key(name, kept)
        values = (
            _typed(table.columns[name], [row.metadata.get(key) for row in there])
            if delimited
            else [_plain(value) for value in table.columns[name]]
        )
        for row, value in enumerate(values):
            if why := why_not_json(value):
                raise TableError(f'{table.source.where(row)}: "{name}" {why}')
            if value is not None:
                found[row][key] = value
    return found


def unchanged(rows: list["Row"], there: Mapping[Any, "Row"], source: "Source") -> None:
    """TableError if a row is there with another text or metadata: where, what, and what to do."""
    other = [number for number, row in enumerate(rows) if there.get(row.id, row) != row]
    if not other:
        return
    new = rows[other[0]]
    old = there[new.id]
    was, now = ({"text": row.text, **row.metadata} for row in (old, new))
    key = next(key for key in {**was, **now} if was.get(key) != now.get(key))
    values = [reprlib.repr(each[key]) if key in each else "nothing" for each in (was, now)]
    more = f" (and {counted(len(other) - 1, 'row')} more)" if len(other) > 1 else ""
    raise TableError(
        f'{source.where(other[0])}: "{key}" of the id {new.id!r} is {values[0]} in the index and '
        f"{values[1]} here{more}; --replace puts the file's rows in the place of those"
    )


def as_there(row: "Row", old: "Row | None") -> "Row":
    """The row that is there, where all that differs is a null, which is not kept here."""
    kept = {key: value for key, value in old.metadata.items() if value is not None} if old else None
    return old if old and (old.text, kept) == (row.text, row.metadata) else row


def _key(name: str, names: Iterable[str]) -> str:
    """What a column is called in the index, which has an id and a text of its own."""
    if name not in ("id", "text"):
        return name
    key = f"{name}_"
    while key in names:
        key += "_"
    return key


def _typed(values: list[object], there: list[object]) -> list[object]:
    cells = [str(value) for value in values]
    kept = [value for value in there if value is not None]
    numbers = (
        any(isinstance(value, int | float) for value in kept)
        if kept
        else all(_NUMBER.fullmatch(cell) for cell in cells if cell)
    )
    return [
        _number(cell) if numbers and _NUMBER.fullmatch(cell) else cell or None for cell in cells
    ]


def _number(cell: str) -> int | float:
    return float(cell) if "." in cell else int(cell)


def _plain(value: object) -> object:
    """What only parquet has, such as dates, as a text."""
    kept = isinstance(value, str | int | float | list | dict | None)
    return value if kept else str(value)
