"""parquet, by way of pyarrow, which is optional and imported only when a file asks for it."""

from pathlib import Path
from typing import IO, Any

import numpy as np

from sememe.errors import MissingExtra, TableError
from sememe.tables.table import Columns, Pick, Source, Table

# Every exception of pyarrow's is also one of these.
_UNREADABLE = (OSError, ValueError, KeyError, NotImplementedError)


def require_pyarrow() -> Any:
    """The pyarrow module, or MissingExtra with the command that installs it."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra('parquet files need pyarrow: pip install "sememe[parquet]"') from None
    return pyarrow


def read_parquet(stream: IO[bytes], file: str, pick: Pick) -> Table:
    """Read the columns that `pick` takes from the schema, as Python values."""
    pa = require_pyarrow()
    try:
        data = pa.parquet.ParquetFile(stream)
    except _UNREADABLE as error:
        raise TableError(f"{file} cannot be read as parquet: {_line(error)}") from None
    names, rows = data.schema_arrow.names, data.metadata.num_rows
    if not (names and rows):
        raise TableError(f"{file} has a schema but no rows")
    columns = {name: _values(data, name, file) for name in (pick(names) if pick else names)}
    return Table(columns, Source(file, "row", range(1, rows + 1)))


def _values(data: Any, name: str, file: str) -> list[object]:
    values: list[object] = []
    try:
        for batch in data.iter_batches(columns=[name]):  # or Arrow's copy stands beside this one
            values += batch.column(name).to_pylist()
    except _UNREADABLE as error:
        raise TableError(f'{file}: the column "{name}" cannot be read: {_line(error)}') from None
    return values


def write_parquet(path: Path, columns: Columns) -> None:
    """Write columns; a 2-D array becomes a column of fixed-size lists."""
    pa = require_pyarrow()
    arrays = {}
    for name, values in columns.items():
        try:
            if isinstance(values, np.ndarray) and values.ndim == 2:
                flat, width = pa.array(values.ravel()), values.shape[1]
                arrays[name] = pa.FixedSizeListArray.from_arrays(flat, width)
            else:
                arrays[name] = pa.array(values)
        except (pa.ArrowException, OverflowError, TypeError) as error:
            raise TableError(f'the column "{name}" does not fit in parquet: {_line(error)}') from None
    pa.parquet.write_table(pa.table(arrays), path)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
