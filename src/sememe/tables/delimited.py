"""csv and tsv, read strictly: a row that is not what its header promises is an error."""

import csv
import re
from collections.abc import Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING

from sememe.errors import TableError
from sememe.tables.table import Pick, Source, Table

if TYPE_CHECKING:
    from _csv import Reader

# No text is as long as this: a quote that is never closed is found before it eats the memory.
_LONGEST_CELL = 2**24


def read_delimited(lines: IO[str], file: str, pick: Pick, delimiter: str | None) -> Table:
    """Read the columns that `pick` takes from the header; delimiter None is sniffed from it."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    first = lines.readline()
    reader = csv.reader(chain([first], lines), delimiter=delimiter or _sniff(first), strict=True)
    numbered = _rows(reader, file)
    header = _checked_header(next(numbered, (1, []))[1], file)
    columns: dict[str, list[object]] = {name: [] for name in (pick(header) if pick else header)}
    cells = [(header.index(name), values) for name, values in columns.items()]
    rows = []
    for number, row in numbered:
        if len(row) != len(header):
            found = (
                f"{file}, line {number}: the header has {len(header)} cells, this row {len(row)}"
            )
            raise TableError(f"{found}; {_cause(number, reader, len(row) > len(header))}")
        for position, values in cells:
            values.append(row[position])
        rows.append(number)
    if not rows:
        raise TableError(f"{file} has a header but no rows")
    return Table(columns, Source(file, "line", rows))


def _sniff(header: str) -> str:
    """Of comma, semicolon and tab, the one that the header has most often outside its quotes."""
    bare = re.sub(r'"[^"]*("|$)', "", header)
    return max(",;\t", key=bare.count)


def _rows(reader: "Reader", file: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of the line where it begins."""
    start = 1
    try:
        for row in reader:
            if row:
                yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        line = reader.line_num
        if start == line and "expected after" in str(error):
            what = 'a quote (") closes before the end of its cell'
        else:
            what = (
                f'a quote (") that opens in this row is not closed as it should be by line {line}'
            )
        raise TableError(
            f"{file}, line {start}: {what}; a text with quotes in it is written between quotes, "
            'with its own doubled: "say ""hello"" twice"'
        ) from None


def _checked_header(header: list[str], file: str) -> list[str]:
    if not header:
        raise TableError(f"{file} has no header: its first line must name the columns")
    # pandas writes its index as a column without a name, so one is no mistake.
    header = [name if name.strip() else f"column {at}" for at, name in enumerate(header, 1)]
    for position, name in enumerate(header):
        if name in header[:position]:
            raise TableError(f'{file}: two columns are called "{name}": rename one of them')
    return header


def _cause(start: int, reader: "Reader", too_many: bool) -> str:
    if reader.line_num > start:
        end = reader.line_num
        return f"the row runs on to line {end}: most likely a quote opens here and is not closed"
    if too_many:
        name = {",": "comma", ";": "semicolon", "\t": "tab"}[reader.dialect.delimiter]
        return f"most likely a text with a {name} in it is not between quotes"
    return "most likely a cell is missing, or a text with a line break is not between quotes"
