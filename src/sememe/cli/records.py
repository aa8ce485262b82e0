"""A file's rows as an index keeps them, checked to the last cell before anything is written."""

import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sememe.errors import InputError, SememeWarning, TableError, warn
from sememe.progress import counted

if TYPE_CHECKING:
    from sememe.search import Index, Row
    from sememe.tables import Source, Table

# 1e5 is a code as often as a number: without a point, only exponents as programs write them count.
_NUMBER = re.compile(
    r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+(e[+-]?[0-9]{1,2})?|e[+-][0-9]{2})?", re.IGNORECASE
)


def without_blanks(table: "Table", columns: list[str]) -> "Table":
    """The table without the rows whose text is blank, of which a note tells."""
    from sememe.tables import BlankCells

    name = table.text_name(columns)
    blanks = BlankCells(name)
    blank = set(blanks.add(table.text_column(columns), table.source))
    if not blank:
        return table
    if len(blank) == len(table):
        raise TableError(f'{table.source.file} has no text: every "{name}" is blank')
    blanks.warn("and left out")
    return table.take([row for row in range(len(table)) if row not in blank])


def id_column(
    table: "Table", name: str | None, texts: list[str], index: "Index | None"
) -> str | None:
    """The column with the ids: the index's, the one that `--id` names, or the one called id.

    Returns:
        Its name; None if ids are made of the texts.

    Raises:
        InputError: `--id` contradicts the index.
        TableError: there is no such column.
    """
    known = None if index is None else index.id_column
    if index is None or known is None:
        if name:
            return table.text_name(name)
        called = [each for each in sorted(table.columns, reverse=True) if each.lower() == "id"]
        return next((column for column in called if column not in texts), None)
    origin = f'from the column "{known}"' if known else "from the texts, not from a column"
    if name and name.strip().casefold() != known.strip().casefold():
        raise InputError(
            f"{index.place} has its ids {origin}, so --id {name} would add texts twice: leave it "
            "out, or make another index."
        )
    try:
        return table.text_name(known) if known else None
    except TableError as error:
        raise TableError(f"{error}. {index.place} has its ids {origin}") from None


def warn_of_copies(
    rows: list["Row"], index: "Index", there: Mapping[Any, "Row"], source: "Source"
) -> None:
    """Warn once of the texts that the index has already under other ids than these rows'."""
    new = {row.text for row in rows if row.id not in there}
    ids, others = {row.id for row in rows}, index.ids_of(new) if new else {}
    copies = [
        (number, old[0])
        for number, row in enumerate(rows)
        if row.id not in there and (old := [i for i in others.get(row.text, ()) if i not in ids])
    ]
    if copies:
        number, old_id = copies[0]
        verb = "is" if len(copies) == 1 else "are"
        warn(
            f"{source.file}: {counted(len(copies), 'text')} {verb} in the index already under "
            f"other ids and {verb} added once more ({source.where(number)}: {rows[number].id!r} "
            f"is {old_id!r} there)",
            SememeWarning,
        )


def file_ids(table: "Table", column: str) -> list[str]:
    """A column of ids; TableError where one is none, or comes twice."""
    from sememe.search.rows import check_ids

    ids: list[str] = []
    first: dict[str, int] = {}
    for row, value in enumerate(table.columns[column]):
        try:
            ids += check_ids([value])  # type: ignore[list-item]
        except InputError as error:
            why = str(error).removeprefix("ids[0] is ")
            raise TableError(f'{table.source.where(row)}: "{column}" is {why}') from None
        if first.setdefault(ids[row], row) != row:
            raise TableError(
                f'{table.source.where(row)}: "{column}" is {value!r}, as in '
                f"{table.source.where(first[ids[row]])}; an id stands for one text"
            )
    return ids


def check_copies(rows: list["Row"], index: "Index", source: "Source") -> None:
    """TableError for a text without an id of the user's own that is there several times."""
    second = {f"{row.id}-2" for row in rows}
    copied = {row.id for row in index.get(second)} | second & {row.id for row in rows}
    for number, row in enumerate(rows):
        if f"{row.id}-2" in copied:
            raise TableError(
                f"{source.where(number)}: {reprlib.repr(row.text)} is there more than once, and "
                "without a column of ids --replace cannot tell which one is meant"
            )


def file_metadata(
    table: "Table", taken: set[str | None], fields: Mapping[str, set[str]], *, delimited: bool
) -> list[dict[str, Any]]:
    """All other columns, a dict a row; empty cells and null are not kept.

    A csv's cells become numbers where all of a column are, or where the index's `fields` of its
    name have numbers; where they have texts alone, all stay texts. They do as well where two
    different cells are one number, as 1.1 and 1.10 are.
    """
    from sememe.search.rows import why_not_json

    found: list[dict[str, Any]] = [{} for _ in range(len(next(iter(table.columns.values()))))]
    kept = [name for name in table.columns if name not in taken]
    for name in kept:
        key = _key(name, kept)
        values = (
            _typed(table, name, fields.get(key, set()) - {"null"})
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
    from sememe.search.rows import same

    other = [number for number, row in enumerate(rows) if not same(there.get(row.id, row), row)]
    if not other:
        return
    new = rows[other[0]]
    old = there[new.id]
    was, now = ({"text": row.text, **row.metadata} for row in (old, new))
    keys = [key for key in {**was, **now} if repr(was.get(key)) != repr(now.get(key))]
    key = next((key for key in keys if was.get(key) != now.get(key)), keys[0])
    values = [reprlib.repr(each[key]) if key in each else "nothing" for each in (was, now)]
    more = f" (and {counted(len(other) - 1, 'row')} more)" if len(other) > 1 else ""
    raise TableError(
        f'{source.where(other[0])}: "{key}" of the id {new.id!r} is {values[0]} in the index and '
        f"{values[1]} here{more}; --replace puts the file's rows in the place of those"
    )


def as_there(row: "Row", old: "Row | None") -> "Row":
    """The row that is there, where all that differs is a null, which is not kept here."""
    from sememe.search.rows import same

    kept = {key: value for key, value in old.metadata.items() if value is not None} if old else {}
    return old if old and same(old._replace(metadata=kept), row) else row


def _key(name: str, names: Iterable[str]) -> str:
    """What a column is called in the index, which has an id and a text of its own."""
    if name not in ("id", "text"):
        return name
    key = f"{name}_"
    while key in names:
        key += "_"
    return key


def _typed(table: "Table", name: str, types: set[str]) -> list[object]:
    cells = [str(value) for value in table.columns[name]]
    numbers = {cell: _number(cell) for cell in cells if _NUMBER.fullmatch(cell)}
    if "number" not in types and (types or len(numbers) < len({*cells, ""}) - 1):
        numbers = {}
    first: dict[int | float, str] = {}
    for cell, number in numbers.items():
        if first.setdefault(number, cell) != cell:
            if "number" in types:
                warn(
                    f'{table.source.file}: "{name}" has {first[number]} and {cell}, which are one '
                    "number; its cells are kept as texts here, beside the index's numbers",
                    SememeWarning,
                )
            numbers = {}
            break
    return [numbers.get(cell, cell or None) for cell in cells]


def _number(cell: str) -> int | float:
    return int(cell) if cell.removeprefix("-").isdecimal() else float(cell)


def _plain(value: object) -> object:
    """What only parquet has, such as dates, as a text."""
    kept = isinstance(value, str | int | float | list | dict | None)
    return value if kept else str(value)
