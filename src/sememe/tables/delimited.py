"""csv and tsv, read strictly: a row that is not what its header promises is an error.

Tab-separated text has no quoting, but pandas quotes: a cell is quoted only if its quotes close
before the next tab or line end, with those inside doubled. All other quotes are text.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO

from sememe.errors import TableError
from sememe.tables.table import Pick, Table, checked_header, tables_of

# No text is as long as this: a quote that is never closed is found before it eats the memory.
_LONGEST_CELL = 2**24
_EXCELS_HINT = re.compile(r"sep=([,;\t|])[\r\n]*", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"]*(?:""[^"]*)*)"')
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

# The lines where a row begins and ends, and its cells.
_Rows = Iterator[tuple[int, int, list[str]]]


def read_delimited(
    lines: IO[str], file: str, pick: Pick, size: float, delimiter: str | None = None
) -> Iterator[Table]:
    """Yield the columns that `pick` takes from the header, up to `size` rows at a time.

    A delimiter of None is told by Excel's `sep=;` in the first line, or sniffed from the header.
    """
    number, first = _next_line(lines, 0)
    if delimiter is None and (hint := _EXCELS_HINT.fullmatch(first)):
        delimiter = hint[1]
        number, first = _next_line(lines, number)
    delimiter = delimiter or _sniff(first)
    read = _tab_separated if delimiter == "\t" else _quoted
    rows = read(chain([first], lines), number, delimiter, file)
    header = checked_header(next(rows, (1, 1, []))[2], file)
    names = list(pick(header) if pick else header)
    places = [header.index(name) for name in names]
    return tables_of(names, _checked(rows, header, places, delimiter, file), size, file)


def _next_line(lines: IO[str], before: int) -> tuple[int, str]:
    """The next line that is not empty, and its number."""
    for number, line in enumerate(lines, before + 1):
        if line.rstrip("\r\n"):
            return number, line
    return before + 1, ""


def _checked(
    rows: _Rows, header: list[str], places: list[int], delimiter: str, file: str
) -> Iterator[tuple[int, list[str]]]:
    for start, end, row in rows:
        if len(row) != len(header):
            raise TableError(
                f"{file}, line {start}: the header has {len(header)} cells, this row {len(row)}; "
                + _cause(start, end, delimiter, len(row) > len(header))
            )
        yield start, [row[place] for place in places]


def _tab_separated(lines: Iterable[str], start: int, _delimiter: str, _file: str) -> _Rows:
    for number, line in enumerate(lines, start):
        row = line.rstrip("\r\n")
        if row:
            cells = row.split("\t")
            yield number, number, list(map(_unquoted, cells)) if '"' in row else cells


def _unquoted(cell: str) -> str:
    quoted = _QUOTED.fullmatch(cell)
    return quoted[1].replace('""', '"') if quoted else cell


def _quoted(lines: Iterable[str], start: int, delimiter: str, file: str) -> _Rows:
    """Each row that is not blank."""
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_CELL))
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    before = start - 1
    try:
        for row in reader:
            end = before + reader.line_num
            if row:
                yield start, end, row
            start = end + 1
    except csv.Error as error:
        line = before + reader.line_num
        advice = 'write a text with quotes in it between quotes, with its own doubled: "say ""hi"""'
        if "field larger" in str(error):
            problem = f"a cell of this row has more than {_LONGEST_CELL:,} characters"
            advice = (
                'most likely a quote (") opens in it and is not closed; if a text is really so '
                "long, .jsonl and .parquet hold it"
            )
        elif start == line and "expected after" in str(error):
            problem = 'a quote (") closes before the end of its cell'
        else:
            problem = f'a quote (") that opens in this row is not closed by line {line}'
        raise TableError(f"{file}, line {start}: {problem}; {advice}") from None


def _sniff(header: str) -> str:
    """Of comma, semicolon and tab, the one that the header has most often outside its quotes."""
    # A quote within a cell is text.
    bare = re.sub(r'(?<![^,;\t])"[^"]*(?:""[^"]*)*("|$)', "", header)
    return max(",;\t", key=bare.count)


def _cause(start: int, end: int, delimiter: str, too_many: bool) -> str:
    if end > start:
        return f"the row runs on to line {end}: most likely a quote opens here and is not closed"
    if delimiter == "\t":
        missing = "a cell is missing, or a text has a line break in it"
        cause = "a text has a tab in it" if too_many else missing
        return f"most likely {cause}, which .tsv cannot hold: save it as .csv with commas"
    if too_many:
        return f"most likely a text with a {_NAMES[delimiter]} in it is not between quotes"
    return "most likely a cell is missing, or a text with a line break is not between quotes"
