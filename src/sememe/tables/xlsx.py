"""Excel workbooks, by way of openpyxl, which is optional and imported only when a file asks for it.

The first visible sheet is read, or that of `book.xlsx#Sheet`; its first row names the columns.
"""

import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date, datetime, time
from itertools import chain
from math import isfinite, isnan
from pathlib import Path
from typing import IO, Any

from sememe.arguments import did_you_mean
from sememe.errors import SememeWarning, TableError, warn
from sememe.extras import importing
from sememe.progress import counted
from sememe.tables.files import looks_like, split_sheet
from sememe.tables.table import Pick, Table, checked_header, tables_of

LONGEST_CELL = 32_767  # characters
_MOST_ROWS = 1_048_576
_EXACT = 2**53  # numbers are doubles
_FIRST_YEAR = 1900  # dates are days since then
_RETURN = "_x000D_"  # how it writes \r, which XML takes for a line break


def require_openpyxl() -> Any:
    """The openpyxl module, or MissingExtra with the command that installs it."""
    with importing("openpyxl", purpose="xlsx files"):
        import openpyxl
    return openpyxl


def read_xlsx(stream: IO[bytes], file: str, pick: Pick, size: float) -> Iterator[Table]:
    """Yield the columns that `pick` takes from the header, up to `size` rows at a time.

    A formula is the value that was stored with it; an error, such as #N/A, is an empty cell.
    """
    sheet = _open_sheet(stream, file, data_only=True)
    letter = require_openpyxl().utils.get_column_letter
    rows = ((number, row) for number, row in _rows(sheet, file) if any(map(_has_value, row)))
    first, header = next(rows, (1, ()))
    width = max((at for at, cell in enumerate(header, 1) if _has_value(cell)), default=0)
    cells = [_value(cell) for cell in header[:width]]
    names = checked_header(["" if cell is None else str(cell) for cell in cells], file)
    places = [names.index(name) for name in (pick(names) if pick else names)]
    uncertain: set[tuple[int, int]] = set()

    def picked() -> Iterator[tuple[int, list[object]]]:
        for number, row in rows:
            beyond = [at for at, cell in enumerate(row[width:], width + 1) if _has_value(cell)]
            if beyond:
                raise TableError(
                    f"{file}, row {number}, column {letter(beyond[0])}: row {first}, the header, "
                    "has no name for this column; give it one, or empty the cell"
                )
            values = []
            for place in places:
                cell = row[place] if place < len(row) else None
                if cell is not None and cell.value is None and hasattr(cell, "row"):
                    uncertain.add((number, place))  # it is styled, or a formula without a value
                values.append(None if cell is None else _value(cell))
            yield number, values

    letters = {names[place]: letter(place + 1) for place in places}
    for table in tables_of(list(letters), picked(), size, file):
        yield replace(table, source=replace(table.source, unit="row", letters=letters))
    if uncertain:
        formulas = _rows(_open_sheet(stream, file), file)
        _warn_of_formulas(formulas, uncertain, file, letter)


def _warn_of_formulas(rows: Any, uncertain: set[tuple[int, int]], file: str, letter: Any) -> None:
    lost = [
        f"{letter(place + 1)}{number}"
        for number, row in rows
        for place, cell in enumerate(row)
        if (number, place) in uncertain and cell.data_type == "f"
    ]
    if lost:
        warn(
            f"{file}: {counted(len(lost), 'formula')} (first: {lost[0]}) without a stored value, "
            "read as empty cells; save the file in a spreadsheet program, which stores them",
            SememeWarning,
        )


def _open_sheet(stream: IO[bytes], file: str, data_only: bool = False) -> Any:
    openpyxl = require_openpyxl()
    kind = looks_like(stream.read(8))
    stream.seek(0)
    if kind and "zip" not in kind:
        raise TableError(f"{file} is no xlsx workbook: it is {kind}")
    with _one_error(file), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and validations, which nobody reads here
        book = openpyxl.load_workbook(stream, read_only=True, data_only=data_only)
    by_name = {sheet.title: sheet for sheet in book.worksheets}
    visible = [name for name, sheet in by_name.items() if sheet.sheet_state == "visible"]
    names = ", ".join(f'"{name}"' for name in visible)
    name = split_sheet(file)[1] or next(iter(visible), "")
    if not visible:
        raise TableError(f"{file} has no sheet of cells")
    if name not in by_name:
        guess = did_you_mean(name, by_name)
        raise TableError(f'{file}: there is no sheet "{name}"{guess}; there are {names}')
    if data_only and len(visible) > 1 and name != split_sheet(file)[1]:
        warn(
            f'{file} has the sheets {names}; the first, "{name}", is read (another one as '
            f'"{file}#{visible[1]}")',
            SememeWarning,
        )
    by_name[name].reset_dimensions()  # which some programs write wrong
    return by_name[name]


def _rows(sheet: Any, file: str) -> Iterator[tuple[int, Sequence[Any]]]:
    with _one_error(file):
        yield from enumerate(sheet.iter_rows(), 1)


@contextmanager
def _one_error(file: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # zip, XML and openpyxl raise whatever they meet
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TableError(f"{file} cannot be read as xlsx: {reason}") from None


def _has_value(cell: Any) -> bool:
    return cell.value is not None


def _value(cell: Any) -> object:
    value = cell.value
    if isinstance(value, str):
        return None if cell.data_type == "e" else value.replace(_RETURN, "\r")
    if (
        isinstance(value, datetime)
        and value.time() == time()
        and "h" not in cell.number_format.lower()
    ):
        return value.date()
    return value


def write_xlsx(path: Path, names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows under a header, on one sheet; their texts hold nothing `UNWRITABLE`."""
    openpyxl = require_openpyxl()
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Sheet1")
    with closing(sheet):
        for number, row in enumerate(chain([names], rows), 1):
            if number > _MOST_ROWS:
                raise TableError(f"xlsx holds {_MOST_ROWS:,} rows; .csv holds them all")
            cells = []
            for cell in map(_writable, row):
                if isinstance(cell, str) and cell[:1] in ("=", "#"):
                    cell = openpyxl.cell.WriteOnlyCell(sheet, cell)
                    cell.data_type = "s"  # neither a formula nor an error
                cells.append(cell)
            sheet.append(cells)
    book.save(path)


def _writable(value: Any) -> Any:
    """A value as a cell holds it: what a double or a date cannot be is a text."""
    if isinstance(value, str):
        return value.replace("\r", _RETURN)
    if isinstance(value, int) and abs(value) > _EXACT:
        return str(value)
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else str(value)
    if isinstance(value, date) and (value.year < _FIRST_YEAR or getattr(value, "tzinfo", None)):
        return str(value)
    if value is None or isinstance(value, bool | int | float | date | time):
        return value
    raise TableError(f"xlsx holds no {type(value).__name__}; make it a text or a number")


UNWRITABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""Characters that XML does not have."""


def join_xlsx(path: Path, parts: Sequence[Path]) -> None:
    """Write workbooks of one header as one."""
    with parts[0].open("rb") as stream:
        names = [str(cell.value) for cell in next(_rows(_open_sheet(stream, parts[0].name), ""))[1]]

    def rows() -> Iterator[list[object]]:
        for part in parts:
            with part.open("rb") as stream:
                for number, row in _rows(_open_sheet(stream, part.name), part.name):
                    if number > 1:
                        yield [_value(cell) for cell in row]

    write_xlsx(path, names, rows())
