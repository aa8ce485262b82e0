"""Read a table, or one column of texts, from any of the formats."""

import json
import reprlib
from collections.abc import Iterator
from math import inf
from typing import IO

from sememe.errors import TableError
from sememe.tables.delimited import read_delimited
from sememe.tables.files import StrPath, file_name, input_format, open_bytes, open_text
from sememe.tables.parquet import read_parquet
from sememe.tables.table import Pick, Source, Table, Texts, choose_column, choose_pair


def read_texts(path: StrPath, column: str | None = None) -> Texts:
    """Read the texts of a file: one column, or the lines of a txt file that are not blank.

    `path` "-" is txt on standard input. `column` None takes the only column, or else the first
    one called text, sentence, content, document, question, query or title. No other column is
    kept in memory. Raises TableError for anything that cannot be read.

    >>> read_texts("faq.csv", column="question").texts   # doctest: +SKIP
    ['How do I reset my password?', 'Where is my order?']
    """
    (table,) = stream_table(
        path, lambda names: [choose_column(names, column, file_name(path))], inf
    )
    (name,) = table.columns
    return Texts(table.text_column(name), name, table.source)


def stream_texts(path: StrPath, column: str | None = None, size: int = 4096) -> Iterator[list[str]]:
    """Yield the texts that `read_texts` gives, `size` at a time, with the same errors.

    Only standard input is held in memory as a whole.

    >>> for texts in stream_texts("faq.csv", column="question"):   # doctest: +SKIP
    ...     print(len(texts))
    """
    pick = lambda names: [choose_column(names, column, file_name(path))]  # noqa: E731
    for table in stream_table(path, pick, size):
        (name,) = table.columns
        yield table.text_column(name)


def stream_pairs(
    path: StrPath, columns: tuple[str, str] | None = None, size: int = 4096
) -> Iterator[list[tuple[str, str]]]:
    """Yield the pairs of texts of a file, `size` at a time.

    `columns` None takes the two columns that are named like a pair: sentence1 and sentence2, query
    and document, question and answer, premise and hypothesis, and so on. Raises TableError for
    anything that cannot be read.

    >>> next(stream_pairs("pairs.tsv"))   # doctest: +SKIP
    [('A man is playing a flute.', 'A man plays the flute.')]
    """
    pick = lambda names: choose_pair(names, columns, file_name(path))  # noqa: E731
    for table in stream_table(path, pick, size):
        first, second = (table.text_column(name) for name in table.columns)
        yield list(zip(first, second, strict=True))


def read_table(path: StrPath) -> Table:
    """Read every column of a file; those of csv and tsv are str, the others keep their types.

    Raises TableError for anything that cannot be read.

    >>> read_table("pairs.tsv").text_column("sentence1")   # doctest: +SKIP
    ['A man is playing a flute.', 'A dog runs.']
    """
    (table,) = stream_table(path, None, inf)
    return table


def stream_table(path: StrPath, pick: Pick = None, size: float = 4096) -> Iterator[Table]:
    """Yield tables of `size` rows, with the columns that `pick` takes from the file's names.

    Each table's `source` goes on counting where the one before it ended. Raises TableError for
    anything that cannot be read.

    >>> for table in stream_table("pairs.csv", lambda names: names[:2]):   # doctest: +SKIP
    ...     print(table.source.where(0), table.columns)
    """
    file_format, file = input_format(path), file_name(path)
    if file_format == "parquet":
        with open_bytes(path) as stream:
            yield from read_parquet(stream, file, pick, size)
        return
    with open_text(path) as lines:
        if file_format == "txt":
            yield from _read_lines(lines, file, pick, size)
        elif file_format == "jsonl":
            yield from _read_json_lines(lines, file, pick, size)
        else:
            delimiter = "\t" if file_format == "tsv" else None
            yield from read_delimited(lines, file, pick, size, delimiter)


def _read_lines(lines: IO[str], file: str, pick: Pick, size: float) -> Iterator[Table]:
    if pick:
        pick(["text"])  # refuses a --column that a txt file cannot have
    texts: list[object] = []
    rows: list[int] = []
    some = False
    for number, line in enumerate(lines, 1):
        if line.strip():
            texts.append(line.rstrip("\r\n"))
            rows.append(number)
        if len(rows) >= size:
            yield Table({"text": texts}, Source(file, "line", rows))
            texts, rows, some = [], [], True
    if rows:
        yield Table({"text": texts}, Source(file, "line", rows))
    elif not some:
        raise TableError(f"{file} has no text: every line is blank")


def _read_json_lines(lines: IO[str], file: str, pick: Pick, size: float) -> Iterator[Table]:
    columns: dict[str, list[object]] = {}
    picked = None
    rows: list[int] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _record(line, f"{file}, line {number}")
        if pick and picked is None:
            picked = pick(list(record))
        for name in picked or record:
            if name not in columns:
                columns[name] = [None] * len(rows)
        for name, values in columns.items():
            values.append(record.get(name))
        rows.append(number)
        if len(rows) >= size:
            yield Table(columns, Source(file, "line", rows))
            columns, rows = {name: [] for name in columns}, []
    if rows:
        yield Table(columns, Source(file, "line", rows))
    elif not columns:
        raise TableError(f"{file} has no rows: every line is blank")


def _record(line: str, where: str) -> dict[str, object]:
    try:
        value = json.loads(line)
        if "\\ud" in line or "\\uD" in line:  # half of a surrogate pair cannot be encoded
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise TableError(
            f"{where}, column {error.colno}: not valid JSON ({error.msg}); "
            'each line must be one whole object, such as {"text": "..."}'
        ) from None
    except (ValueError, RecursionError) as error:
        raise TableError(f"{where}: this JSON cannot be used ({error})") from None
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, dict) and value:
        return value
    raise TableError(
        f"{where}: expected an object with keys, or a string, found {reprlib.repr(value)} "
        "(jq -c '.[]' FILE writes a JSON array as one object a line)"
    )
