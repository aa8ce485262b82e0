"""Read a table, or one column of texts, from any of the formats."""

import json
import reprlib
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from math import inf
from typing import IO, Any

from sememe.errors import SememeWarning, TableError, warn
from sememe.progress import counted
from sememe.tables.delimited import read_delimited
from sememe.tables.files import StrPath, file_name, input_format, open_bytes, open_text
from sememe.tables.parquet import read_parquet
from sememe.tables.table import Names, Pick, Table, Texts, choose_columns, tables_of
from sememe.tables.xlsx import read_xlsx

_EMPTY = {"txt": "no text: every line is blank", "jsonl": "no rows: every line is blank"}


def read_texts(path: StrPath, column: Names = None) -> Texts:
    """Read the texts of a file: one column, or the lines of a txt file that are not blank.

    `path` "-" is txt on standard input. `column` None takes the only column, or else the first
    one called text, sentence, content, document, question, query or title; the texts of several
    are joined by a blank line. No other column is kept in memory. Raises TableError for anything
    that cannot be read.

    >>> read_texts("faq.csv", column="question").texts   # doctest: +SKIP
    ['How do I reset my password?', 'Where is my order?']
    """
    (table,) = stream_table(path, lambda names: choose_columns(names, column, file_name(path)), inf)
    names = list(table.columns)
    return Texts(table.text_column(names), table.text_name(names), table.source)


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
    halves: list[int] = []
    names = list(dict.fromkeys(key for _, row in _records(lines, file, halves) for key in row))
    if halves and names:
        warn(
            f"{file}: {counted(len(halves), 'line')} with half of a surrogate pair (first: line "
            f"{halves[0]}), which is no character; it is read as U+FFFD",
            SememeWarning,
        )
    picked = pick(names) if pick and names else names
    lines.seek(0)
    rows = ((number, list(map(row.get, picked))) for number, row in _records(lines, file, []))
    return tables_of(picked, rows, size, file)


def _records(
    lines: IO[str], file: str, halves: list[int]
) -> Iterator[tuple[int, dict[str, object]]]:
    """Each line's object and number; the numbers of lines with half a character are appended."""
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
                    halves.append(number)
                    value = json.loads(readable)
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


_READERS: dict[str, Callable[[Any, str, Pick, float], Iterator[Table]]] = {
    "txt": _read_lines,
    "csv": read_delimited,
    "tsv": partial(read_delimited, delimiter="\t"),
    "jsonl": _read_json_lines,
    "parquet": read_parquet,
    "xlsx": read_xlsx,
}
