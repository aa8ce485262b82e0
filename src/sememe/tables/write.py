"""Write columns in the format that the file's name asks for."""

import csv
import json
import re
import reprlib
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sememe.errors import TableError
from sememe.tables.files import FORMATS, StrPath, check_destination, replacing
from sememe.tables.parquet import require_pyarrow, write_parquet
from sememe.tables.table import Columns

_UNWRITABLE, _BREAKS = re.compile("[\0\ud800-\udfff]"), re.compile("\r\n|[\t\r\n]")


def output_format(path: StrPath) -> str:
    """The format that `path` asks for: txt, csv, tsv, jsonl or parquet.

    A command calls this before its long work begins: TableError if the format is not known or the
    file cannot be created, MissingExtra if parquet is asked for and pyarrow is not installed.

    >>> output_format("scores.csv")
    'csv'
    """
    file_format = FORMATS.get(Path(path).suffix.lower())
    if file_format is None:
        raise TableError(f"{path} has a suffix that cannot be written; use {', '.join(FORMATS)}")
    check_destination(path)
    if file_format == "parquet":
        require_pyarrow()
    return file_format


def write_table(path: StrPath, columns: Columns) -> None:
    """Write columns of equal length, whole or not at all; `read_table` gives the same back.

    A column is a sequence, or an array of shape (n,); in jsonl and parquet also (n, dim), one
    vector a row. None is an empty cell in csv and tsv, and so is a row of a numpy masked array
    that is masked. A cell of tsv holds no tab and no line break; txt takes a single column of
    texts that are neither blank nor hold a line break. Raises TableError for what the format
    cannot hold.

    >>> write_table("scores.csv", {"text": ["a", "b"], "score": [0.5, 1.0]})   # doctest: +SKIP
    """
    file_format = output_format(path)
    with replacing(path) as temporary:
        try:
            _check_shapes(columns, most_axes=2 if file_format in ("jsonl", "parquet") else 1)
            if file_format == "parquet":
                write_parquet(temporary, columns)
            else:
                values = {name: _with_none(column) for name, column in columns.items()}
                _write_lines(temporary, _LINES[file_format](values))
        except UnicodeEncodeError as error:
            text = reprlib.repr(error.object)
            problem = f"{text} has half of a surrogate pair in it, which is not a character"
            raise TableError(f"{path} cannot be written: {problem}") from None
        except TableError as error:
            raise TableError(f"{path} cannot be written: {error}") from None


def cell(value: object, suffix: str = ".csv") -> object:
    """A value as csv or tsv can hold it.

    NUL and halves of surrogate pairs become U+FFFD, lists and dicts JSON, bytes base64; in tsv,
    tabs and line breaks become spaces.

    >>> cell({"lang": ["en"]})
    '{"lang": ["en"]}'
    """
    if isinstance(value, list | tuple | dict):
        value = json.dumps(value, ensure_ascii=False, default=_plain)
    elif isinstance(value, bytes):
        value = _plain(value)
    if not isinstance(value, str):
        return value
    value = _UNWRITABLE.sub("\ufffd", value)
    return _BREAKS.sub(" ", value) if suffix == ".tsv" else value


def replace_unwritable(columns: Columns, suffix: str) -> tuple[Columns, int]:
    """Columns as a file of this suffix can hold them, and how many texts had to be changed.

    Only csv and tsv cannot hold every text: see `cell`. Arrays stay as they are.

    >>> replace_unwritable({"text": ["a\\tb", "c"]}, ".tsv")
    ({'text': ['a b', 'c']}, 1)
    """
    if suffix not in (".csv", ".tsv"):
        return columns, 0
    changed = 0

    def writable(value: object) -> object:
        nonlocal changed
        result = cell(value, suffix)
        changed += isinstance(value, str) and result != value
        return result

    result = {
        str(writable(name)): values
        if isinstance(values, np.ndarray)
        else [writable(value) for value in values]
        for name, values in columns.items()
    }
    return result, changed


def new_column(name: str, columns: Collection[str]) -> str:
    """A name for a column that is added to others: where it is taken, with `sememe_` before it.

    >>> new_column("label", {"text", "label"})
    'sememe_label'
    """
    while name in columns:
        name = f"sememe_{name}"
    return name


def _with_none(values: Any) -> Any:
    """The values; those of a masked array as a list, with None for each row that is masked."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    masks = np.ma.getmaskarray(values)
    return [None if mask.any() else v for v, mask in zip(values.data, masks, strict=True)]


def _check_shapes(columns: Columns, most_axes: int) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise TableError(f"columns of one length are needed, not {lengths or 'none at all'}")
    for name, values in columns.items():
        if isinstance(values, np.ndarray) and values.ndim > most_axes:
            raise TableError(
                f'the column "{name}" has the shape {values.shape}, and this format holds only '
                "single values; vectors, one a row, go into .parquet or .jsonl"
            )


def _write_lines(temporary: Path, lines: Iterator[str]) -> None:
    with temporary.open("w", encoding="utf-8", newline="") as stream:
        for number, line in enumerate(lines):
            if "\0" in line:
                raise TableError(
                    f"{reprlib.repr(line)} has a NUL character in it, which makes a text file look "
                    "binary; .jsonl and .parquet can hold it"
                )
            if number == 0 and line.startswith("\ufeff"):
                stream.write("\ufeff")  # or a reader takes the text's own for the file's mark
            stream.write(f"{line}\n")


def _txt(columns: Columns) -> Iterator[str]:
    if len(columns) != 1:
        raise TableError(f"txt holds one column, not {len(columns)}; .csv holds them all")
    for row, value in enumerate(next(iter(columns.values())), 1):
        line = "" if value is None else str(value)
        if not line.strip() or "\n" in line or "\r" in line:
            raise TableError(
                f"row {row}, {reprlib.repr(line)}, is blank or has a line break, and a line of "
                "txt holds neither; .csv holds both"
            )
        yield line


class _Echo:
    """What `csv.writer` writes to, so that `writerow` gives the line back, without its end."""

    def write(self, line: str) -> str:
        return line.removesuffix("\r\n")


def _delimited(columns: Columns, delimiter: str) -> Iterator[str]:
    # The writer keeps its \r\n, without which it would not quote a cell with a lone \r in it.
    writer = csv.writer(_Echo(), delimiter=delimiter)
    # A header with another delimiter in it is quoted, or a reader would take that one for its own.
    ambiguous = any(mark in name for name in columns for mark in ";\t|")
    header = csv.writer(
        _Echo(), delimiter=delimiter, quoting=csv.QUOTE_ALL if ambiguous else csv.QUOTE_MINIMAL
    )
    yield header.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        yield writer.writerow(row)


def _tab_separated(columns: Columns) -> Iterator[str]:
    """What has a tab or a line break is refused: no reader knows whether quotes are quotes here."""
    for number, line in enumerate(_delimited(columns, "\t")):
        if line.count("\t") >= len(columns) or "\n" in line or "\r" in line:
            where = f"row {number}" if number else "the header"
            raise TableError(
                f"{where}, {reprlib.repr(line)}, has a tab or a line break in a cell, which tsv "
                "cannot hold; .csv can"
            )
        yield line


def _json_lines(columns: Columns) -> Iterator[str]:
    for row in zip(*columns.values(), strict=True):
        record = dict(zip(columns, row, strict=True))
        yield json.dumps(record, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.floating):
        return float(str(value))  # 0.1, not the 0.10000000149011612 of a float32 made double
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, Decimal) or hasattr(value, "isoformat"):  # dates and times
        return str(value)
    raise TableError(f"jsonl holds no {type(value).__name__}; make it a text or a number")


_LINES: dict[str, Callable[[Columns], Iterator[str]]] = {
    "txt": _txt,
    "csv": partial(_delimited, delimiter=","),
    "tsv": _tab_separated,
    "jsonl": _json_lines,
}
