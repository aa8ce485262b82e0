"""The rows of a file as an index keeps them: ids, metadata and types, compared with what it has."""

import re
import reprlib
from collections.abc import Mapping
from typing import Any

from sememe.cli.parser import read_rows
from sememe.errors import InputError, SememeWarning, TableError, warn
from sememe.progress import counted
from sememe.search import Index, Row
from sememe.search.rows import check_ids, new_rows, same, why_not_json
from sememe.tables import Source, Table
from sememe.tables.files import input_format

# 1e5 is a code as often as a number: without a point, only exponents as programs write them count.
_NUMBER = re.compile(
    r"-?(0|[1-9][0-9]{0,17})(\.[0-9]+(e[+-]?[0-9]{1,2})?|e[+-][0-9]{2})?", re.IGNORECASE
)


def file_rows(
    file: str, index: Index | None, texts: list[str] | None, ids: str | None, *, replace: bool
) -> tuple[list[Row], dict[str, Row], Table, str | None]:
    """The file's rows, checked to the last cell; the stored ones of their ids; the table without
    blank texts; and the column of the ids.
    """
    table, _, blank = read_rows(file, texts, "and left out")
    if blank:
        table = table.take(sorted({*range(len(table))} - {*blank}))
    names = table.text_names(texts)
    column = _id_column(table, ids, names, index)
    rows = new_rows(table.text_column(names), file_ids(table, column) if column else None)
    stored = {} if index is None else {row.id: row for row in index.get(row.id for row in rows)}
    delimited = input_format(file) in ("csv", "tsv")
    has_metadata = len(table.columns) > 1 + bool(column)
    fields = {} if index is None or not (delimited and has_metadata) else index.fields()
    # Texts that were joined cannot be taken apart again, so their columns are kept as well.
    taken = {column, *(names if len(names) == 1 else ())}
    metadata = _file_metadata(table, taken, fields, delimited=delimited)
    rows = [
        _with_nulls(row._replace(metadata=values), stored.get(row.id))
        for row, values in zip(rows, metadata, strict=True)
    ]
    if not replace:
        _refuse_changes(rows, stored, table.source)
    elif index is not None and not column:
        _refuse_copies(rows, index, table.source)
    if index is not None:
        _warn_of_copies(rows, index, stored, table.source)
    return rows, stored, table, column


def _id_column(table: Table, name: str | None, texts: list[str], index: Index | None) -> str | None:
    """The column with the ids: the index's, the one that `--id` names, or the one called id."""
    column = None if index is None else index.id_column
    if index is None or column is None:
        if name:
            return table.text_name(name)
        named_id = [each for each in sorted(table.columns, reverse=True) if each.lower() == "id"]
        return next((each for each in named_id if each not in texts), None)
    origin = f'from the column "{column}"' if column else "from the texts, not from a column"
    if name and name.strip().casefold() != column.strip().casefold():
        raise InputError(
            f"{index.place} has its ids {origin}, so --id {name} would add texts twice: leave it "
            "out, or make another index."
        )
    try:
        return table.text_name(column) if column else None
    except TableError as error:
        raise TableError(f"{error}. {index.place} has its ids {origin}") from None


def file_ids(table: Table, column: str) -> list[str]:
    """A column of ids; TableError where one is none, or comes twice."""
    ids: list[str] = []
    first: dict[str, int] = {}
    for row, value in enumerate(table.columns[column]):
        try:
            ids += check_ids([value])  # type: ignore[list-item]
        except InputError as error:
            reason = str(error).removeprefix("ids[0] is ")
            raise TableError(f'{table.source.where(row, column)}: "{column}" is {reason}') from None
        if first.setdefault(ids[row], row) != row:
            raise TableError(
                f'{table.source.where(row, column)}: "{column}" is {value!r}, as in '
                f"{table.source.where(first[ids[row]])}; an id stands for one text"
            )
    return ids


def _file_metadata(
    table: Table, taken: set[str | None], fields: Mapping[str, set[str]], *, delimited: bool
) -> list[dict[str, Any]]:
    """All other columns, a dict a row; empty cells and null are not kept.

    A csv's cells become numbers where all of a column are, or where the index's `fields` of its
    name have numbers; where they have texts alone, all stay texts. They do as well where two
    different cells are one number, as 1.1 and 1.10 are.
    """
    metadata: list[dict[str, Any]] = [{} for _ in range(len(table))]
    names = [name for name in table.columns if name not in taken]
    for name in names:
        key = name  # an index has an id and a text of its own
        while key in ("id", "text") or (key != name and key in names):
            key += "_"
        values = table.columns[name]
        if delimited:
            values = _typed(table, name, fields.get(key, set()) - {"null"})
        for row, value in enumerate(values):
            if not isinstance(value, str | int | float | list | dict | None):
                value = str(value)  # what only parquet has, such as dates
            if reason := why_not_json(value):
                raise TableError(f'{table.source.where(row, name)}: "{name}" {reason}')
            if value is not None:
                metadata[row][key] = value
    return metadata


def _typed(table: Table, name: str, types: set[str]) -> list[object]:
    """A csv's column, with the numbers as numbers if they may be."""
    cells = [str(value) for value in table.columns[name]]
    numbers: dict[str, int | float] = {
        cell: int(cell) if cell.removeprefix("-").isdecimal() else float(cell)
        for cell in cells
        if _NUMBER.fullmatch(cell)
    }
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
            return [cell or None for cell in cells]
    return [numbers.get(cell, cell or None) for cell in cells]


def _with_nulls(row: Row, stored: Row | None) -> Row:
    """The stored row, where all that differs is a null, which a file's rows do not keep."""
    if stored is None:
        return row
    metadata = {key: value for key, value in stored.metadata.items() if value is not None}
    return stored if same(stored._replace(metadata=metadata), row) else row


def _refuse_changes(rows: list[Row], stored: Mapping[str, Row], source: Source) -> None:
    """TableError for a row that is stored with another text or metadata."""
    changed = [number for number, row in enumerate(rows) if not same(stored.get(row.id, row), row)]
    if not changed:
        return
    new = rows[changed[0]]
    before, after = ({"text": row.text, **row.metadata} for row in (stored[new.id], new))
    keys = [key for key in {**before, **after} if repr(before.get(key)) != repr(after.get(key))]
    key = next((key for key in keys if before.get(key) != after.get(key)), keys[0])
    values = [reprlib.repr(each[key]) if key in each else "nothing" for each in (before, after)]
    more = f" (and {counted(len(changed) - 1, 'row')} more)" if len(changed) > 1 else ""
    raise TableError(
        f'{source.where(changed[0])}: "{key}" of the id {new.id!r} is {values[0]} in the index and '
        f"{values[1]} here{more}; --replace puts the file's rows in the place of those"
    )


def _refuse_copies(rows: list[Row], index: Index, source: Source) -> None:
    """TableError for a text without an id of the user's own that exists several times."""
    second_ids = {f"{row.id}-2" for row in rows}
    copies = {row.id for row in index.get(second_ids)} | second_ids & {row.id for row in rows}
    for number, row in enumerate(rows):
        if f"{row.id}-2" in copies:
            raise TableError(
                f"{source.where(number)}: {reprlib.repr(row.text)} is there more than once, and "
                "without a column of ids --replace cannot tell which one is meant"
            )


def _warn_of_copies(
    rows: list[Row], index: Index, stored: Mapping[str, Row], source: Source
) -> None:
    """Warn once of texts that the index has under ids that the file does not have."""
    new = [(number, row) for number, row in enumerate(rows) if row.id not in stored]
    ids = {row.id for row in rows}
    ids_of = index.ids_of({row.text for _, row in new}) if new else {}
    copies = [
        (number, other_ids[0])
        for number, row in new
        if (other_ids := [each for each in ids_of.get(row.text, ()) if each not in ids])
    ]
    if copies:
        number, other_id = copies[0]
        verb = "is" if len(copies) == 1 else "are"
        warn(
            f"{source.file}: {counted(len(copies), 'text')} {verb} in the index already under "
            f"other ids and {verb} added once more ({source.where(number)}: {rows[number].id!r} "
            f"is {other_id!r} there)",
            SememeWarning,
        )
