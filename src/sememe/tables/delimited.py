"""csv and tsv, read strictly: a row that is not what its header promises is an error."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING

from sememe.errors import TableError
from sememe.tables.table import Pick, Source, Table

if TYPE_CHECKING:
    from _csv import Reader

# No text is as long as this: a quote that is never closed is found before it eats the memory.
_LONGEST_CELL = 2**24


def read_delimited(
    lines: IO[str], file: str, pick: Pick, size: float, delimiter: str | None
) -> Iterator[Table]:
    """Yield the columns that `pick` takes from the header, `size` rows at a time.

    A delimiter of None is sniffed from the header.
    """
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    first = lines.readline()
    reader = csv.reader(chain([first], lines), delimiter=delimiter or _sniff(first), strict=True)
    numbered = _rows(reader, file)
    header = _checked_header(next(numbered, (1, []))[1], file)
    names = pick(header) if pick else header
    places = [header.index(name) for name in names]
    block, rows, some = _empty(names), [], False
    for number, row in numbered:
        if len(row) != len(header):
            found = (
                f"{file}, line {number}: the header has {len(header)} cells, this row {len(row)}"
            )
            raise TableError(f"{found}; {_cause(number, reader, len(row) > len(header))}")
        for position, values in zip(places, block.values(), strict=True):
            values.append(row[position])
        rows.append(number)
        if len(rows) >= size:
            yield Table(block, Source(file, "line", rows))
            block, rows, some = _empty(names), [], True
    if rows:
        yield Table(block, Source(file, "line", rows))
    elif not some:
        raise TableError(f"{file} has a header but no rows")


def _empty(names: Iterable[str]) -> dict[str, list[object]]:
    return {name: [] for name in names}


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
