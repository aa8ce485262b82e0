"""Read a table, or one column of texts, from any of the formats.

csv and tsv are read strictly: a row that is not what its header promises is an error. Tab-separated
text has no quoting, but pandas quotes: a cell is quoted only if its quotes close before the next
tab or line end, with those inside doubled. All other quotes are text.
"""

import csv
import json
import re
import reprlib
import shlex
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from math import inf
from typing import IO, Any

from sememe.errors import SememeWarning, TableError, warn
from sememe.tables.files import StrPath, file_name, input_format, open_bytes, open_text
from sememe.tables.parquet import read_parquet
from sememe.tables.table import Names, Pick, Table, checked_header, choose_columns, tables_of
from sememe.tables.xlsx import read_xlsx

# No text is as long as this: a quote that is never closed is found before it eats the memory.
_LONGEST_CELL = 2**24
_EXCELS_HINT = re.compile(r"sep=([,;\t|])[\r\n]*", re.IGNORECASE)
_QUOTED = re.compile(r'"([^"]*(?:""[^"]*)*)"')
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}

# The lines where a row begins and ends, and its cells.
_Rows = Iterator[tuple[int, int, list[str]]]
_EMPTY = {"txt": "no text: every line is blank", "jsonl": "no rows: every line is blank"}


def read_texts(path: StrPath, column: Names = None) -> list[str]:
    """Read the texts of a file: one column, or the lines of a txt file that are not blank.

    `path` "-" is txt on standard input. `column` None takes the only column, or else the first
    one called text, sentence, content, document, question, query or title; the texts of several
    are joined by a blank line. No other column is kept in memory. Raises TableError for anything
    that cannot be read.

    >>> read_texts("faq.csv", column="question")   # doctest: +SKIP
    ['How do I reset my password?', 'Where is my order?']
    """
    (table,) = stream_table(path, lambda names: choose_columns(names, column, file_name(path)), inf)
    return table.text_column(list(table.columns))


def read_table(path: StrPath) -> Table:
    """Read every column of a file; those of csv and tsv are str, the others keep their types.

    Raises TableError for anything that cannot be read.

    >>> read_table("pairs.tsv").text_column("sentence1")   # doctest: +SKIP
    ['A man is playing a flute.', 'A dog runs.']
    """
    (table,) = stream_table(path, None, inf)
    return table


def stream_table(path: StrPath, pick: Pick = None, size: float = 4096) -> Iterator[Table]:
    """Yield tables of up to `size` rows, with the columns that `pick` takes from the file's names.

    All tables have the same columns: those of jsonl are the keys of all lines, for which the file
    is read once before. Each table's `source` counts on from where the one before it ended.
    Raises TableError for anything that cannot be read.

    >>> for table in stream_table("pairs.csv", lambda names: names[:2]):   # doctest: +SKIP
    ...     print(table.source.where(0), table.columns)
    """
    file_format, file = input_format(path), file_name(path)
    opened = open_bytes(path) if file_format in ("parquet", "xlsx") else open_text(path)
    with opened as stream:
        tables = _READERS[file_format](stream, file, pick, size)
        first = next(tables, None)
        if first is None:
            raise TableError(f"{file} has {_EMPTY.get(file_format, 'a header but no rows')}")
        yield first
        yield from tables


def _read_lines(lines: IO[str], file: str, pick: Pick, size: float) -> Iterator[Table]:
    names = pick(["text"]) if pick else ["text"]  # refuses a --column that txt cannot have
    rows = ((number, [line.rstrip("\r\n")]) for number, line in enumerate(lines, 1) if line.strip())
    return tables_of(names, rows, size, file)


def _read_json_lines(lines: IO[str], file: str, pick: Pick, size: float) -> Iterator[Table]:
    """Read twice: the keys of all lines are the columns, whichever line has them first."""
    names = list(dict.fromkeys(key for _, row in _records(lines, file) for key in row))
    picked = pick(names) if pick and names else names
    lines.seek(0)
    rows = ((number, list(map(row.get, picked))) for number, row in _records(lines, file))
    return tables_of(picked, rows, size, file)


def _records(lines: IO[str], file: str) -> Iterator[tuple[int, dict[str, object]]]:
    has_warned = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if line.lstrip().startswith("["):
            raise TableError(
                f"{file}, line {number}: a JSON array begins here, and a line of .jsonl is one "
                'object, such as {"text": "..."}; '
                f"jq -c '.[]' {shlex.quote(file)} > rows.jsonl writes one object a line"
            )
        try:
            value = json.loads(line)
            if "\\ud" in line or "\\uD" in line:  # an escape: a pair, or half of one
                text = json.dumps(value, ensure_ascii=False)
                readable = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                if readable != text:
                    value = json.loads(readable)
                    if not has_warned:
                        warn(
                            f"{file}, line {number}: half of a surrogate pair, which is no "
                            "character; it is read as U+FFFD, wherever it stands in this file",
                            SememeWarning,
                            once=True,  # the file is read twice
                        )
                    has_warned = True
        except json.JSONDecodeError as error:
            raise TableError(
                f"{file}, line {number}, column {error.colno}: not valid JSON ({error.msg}); "
                'each line must be one whole object, such as {"text": "..."}'
            ) from None
        except (ValueError, RecursionError) as error:
            raise TableError(f"{file}, line {number}: this JSON cannot be used ({error})") from None
        if isinstance(value, str):
            value = {"text": value}
        if not (isinstance(value, dict) and value):
            raise TableError(
                f"{file}, line {number}: expected an object with keys, or a string, found "
                f"{reprlib.repr(value)}"
            )
        yield number, value


def _read_delimited(
    lines: IO[str], file: str, pick: Pick, size: float, delimiter: str | None = None
) -> Iterator[Table]:
    """Yield the columns that `pick` takes from the header, up to `size` rows at a time.

    A delimiter of None is told by Excel's `sep=;` in the first line, or guessed from the header.
    """
    number, first = _next_line(lines, 0)
    if delimiter is None and (hint := _EXCELS_HINT.fullmatch(first)):
        delimiter = hint[1]
        number, first = _next_line(lines, number)
    # The one that the header has most often outside its quotes; a quote within a cell is text.
    bare = re.sub(r'(?<![^,;\t])"[^"]*(?:""[^"]*)*("|$)', "", first)
    delimiter = delimiter or max(",;\t", key=bare.count)
    read = _tab_separated if delimiter == "\t" else _quoted
    rows = read(chain([first], lines), number, delimiter, file)
    header = checked_header(next(rows, (1, 1, []))[2], file)
    names = list(pick(header) if pick else header)
    places = [header.index(name) for name in names]
    return tables_of(names, _checked(rows, header, places, delimiter, file), size, file)


def _next_line(lines: IO[str], before: int) -> tuple[int, str]:
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
            if '"' in row:
                quoted = map(_QUOTED.fullmatch, cells)
                cells = [
                    match[1].replace('""', '"') if match else cell
                    for match, cell in zip(quoted, cells, strict=True)
                ]
            yield number, number, cells


def _quoted(lines: Iterable[str], start: int, delimiter: str, file: str) -> _Rows:
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


_READERS: dict[str, Callable[[Any, str, Pick, float], Iterator[Table]]] = {
    "txt": _read_lines,
    "csv": _read_delimited,
    "tsv": partial(_read_delimited, delimiter="\t"),
    "jsonl": _read_json_lines,
    "parquet": read_parquet,
    "xlsx": read_xlsx,
}
