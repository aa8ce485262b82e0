"""Write columns in the format that the file's name asks for."""

import csv
import json
import re
import reprlib
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sememe.errors import SememeWarning, TableError, warn
from sememe.tables.files import FORMATS, StrPath, check_destination, replacing
from sememe.tables.parquet import require_pyarrow, write_parquet
from sememe.tables.table import Columns
from sememe.tables.xlsx import LONGEST_CELL, UNWRITABLE, require_openpyxl, write_xlsx

_PACKAGES = {"parquet": require_pyarrow, "xlsx": require_openpyxl}
_UNWRITABLE, _BREAKS = re.compile("[\0\ud800-\udfff]"), re.compile("\r\n|[\t\r\n]")
_REPLACED = {
    "txt": "txt holds no NUL characters: they are written as U+FFFD",
    "csv": "csv holds no NUL characters: they are written as U+FFFD",
    "tsv": "tsv holds no tabs, line breaks or NUL characters in a cell: they are written as "
    "spaces and U+FFFD",
    "xlsx": "xlsx holds no control characters, which are written as U+FFFD, and "
    f"{LONGEST_CELL:,} characters a cell, after which a text is cut",
}


def output_format(path: StrPath) -> str:
    """The format that `path` asks for: txt, csv, tsv, jsonl, parquet or xlsx.

    A command calls this before its long work begins: TableError if the format is not known or the
    file cannot be created, MissingExtra if the package that writes it is not installed.

    >>> output_format("scores.csv")
    'csv'
    """
    file_format = FORMATS.get(Path(path).suffix.lower())
    if file_format is None:
        raise TableError(f"{path} has a suffix that cannot be written; use {', '.join(FORMATS)}")
    check_destination(path)
    if file_format in _PACKAGES:
        _PACKAGES[file_format]()
    return file_format


def write_table(
    path: StrPath, columns: Columns, metadata: Mapping[str, str] | None = None, *, note: bool = True
) -> bool:
    """Write columns of equal length, whole or not at all; `read_table` gives the same back.

    A column is a sequence, or an array of shape (n,); in jsonl and parquet also (n, dim), one
    vector a row. None is an empty cell in csv, tsv and xlsx, and so is a masked row of a numpy
    masked array. txt takes a single column of texts that are neither blank nor hold a line break.
    What else txt, csv, tsv and xlsx cannot hold is replaced (see `replace_unwritable`), and a note
    says so; without `note`, whoever calls does: True is returned. Only parquet holds `metadata`.
    Raises TableError for what the format cannot hold.

    >>> write_table("scores.csv", {"text": ["a", "b"], "score": [0.5, 1.0]})   # doctest: +SKIP
    """
    file_format, changed = output_format(path), False
    with replacing(path) as temporary:
        try:
            _check_shapes(columns, most_axes=2 if file_format in ("jsonl", "parquet") else 1)
            if file_format == "parquet":
                write_parquet(temporary, columns, metadata)
                return False
            values: Columns = {name: _with_none(column) for name, column in columns.items()}
            if file_format in _REPLACED:
                values, changed = replace_unwritable(values, file_format)
            if file_format == "xlsx":
                rows = zip(*values.values(), strict=True)
                write_xlsx(
                    temporary, list(values), (list(map(_without_numpy, row)) for row in rows)
                )
            else:
                _write_lines(temporary, _LINES[file_format](values))
        except UnicodeEncodeError as error:
            text = reprlib.repr(error.object)
            problem = f"{text} has half of a surrogate pair in it, which is not a character"
            raise TableError(f"{path} cannot be written: {problem}") from None
        except TableError as error:
            raise TableError(f"{path} cannot be written: {error}") from None
    if changed and note:
        warn_of_replaced(file_format)
    return changed


def replace_unwritable(columns: Columns, file_format: str) -> tuple[Columns, bool]:
    """Columns as txt, csv, tsv or xlsx can hold them, and whether a text or a name was changed.

    NUL and halves of surrogate pairs become U+FFFD, in tsv tabs and line breaks spaces, in xlsx all
    control characters U+FFFD, and long texts are cut; lists and dicts become JSON, bytes base64.
    Arrays of numbers stay as they are.

    >>> replace_unwritable({"text": ["a\\tb", "c"]}, "tsv")
    ({'text': ['a b', 'c']}, True)
    """
    changed = False

    def cell(value: Any) -> Any:
        nonlocal changed
        if isinstance(value, list | tuple | dict):
            value = json.dumps(value, ensure_ascii=False, default=_plain)
        elif isinstance(value, bytes):
            value = _plain(value)
        if not isinstance(value, str):
            return value
        writable = (UNWRITABLE if file_format == "xlsx" else _UNWRITABLE).sub("\ufffd", value)
        if file_format == "tsv":
            writable = _BREAKS.sub(" ", writable)
        elif file_format == "xlsx":
            writable = writable[:LONGEST_CELL]
        changed = changed or writable != value
        return writable

    writable = {
        cell(name): values
        if isinstance(values, np.ndarray) and values.dtype.kind in "biuf"
        else list(map(cell, values))
        for name, values in columns.items()
    }
    return writable, changed


def warn_of_replaced(file_format: str) -> None:
    """Warn that `replace_unwritable` changed something, and what it writes in its place."""
    warn(f"{_REPLACED[file_format]}; .jsonl and .parquet hold all", SememeWarning)


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
    """`csv.writer` writes to it, and so gives back the line, without its end."""

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


def _json_lines(columns: Columns) -> Iterator[str]:
    for row in zip(*columns.values(), strict=True):
        record = dict(zip(columns, row, strict=True))
        yield json.dumps(record, ensure_ascii=False, default=_plain)


def _without_numpy(value: object) -> object:
    if isinstance(value, np.floating):
        return float(str(value))  # 0.1, not the 0.10000000149011612 of a float32 made double
    return value.item() if isinstance(value, np.generic) else value


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return _without_numpy(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, Decimal) or hasattr(value, "isoformat"):  # dates and times
        return str(value)
    raise TableError(f"jsonl holds no {type(value).__name__}; make it a text or a number")


_LINES: dict[str, Callable[[Columns], Iterator[str]]] = {
    "txt": _txt,
    "csv": partial(_delimited, delimiter=","),
    "tsv": partial(_delimited, delimiter="\t"),
    "jsonl": _json_lines,
}
