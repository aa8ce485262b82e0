"""parquet, by way of pyarrow, which is optional and imported only when a file asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from sememe.errors import MissingExtra, TableError
from sememe.tables.table import Columns, Pick, Source, Table


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
    with _one_error(f"{file} cannot be read as parquet"):
        data = pa.parquet.ParquetFile(stream)
    names, rows = data.schema_arrow.names, data.metadata.num_rows
    if not (names and rows):
        raise TableError(f"{file} has a schema but no rows")
    columns: dict[str, list[object]] = {name: [] for name in (pick(names) if pick else names)}
    for name, values in columns.items():
        with _one_error(f'{file}: the column "{name}" cannot be read'):
            for batch in data.iter_batches(columns=[name]):  # or Arrow would hold a second copy
                values += batch.column(name).to_pylist()
    return Table(columns, Source(file, "row", range(1, rows + 1)))


def write_parquet(path: Path, columns: Columns) -> None:
    """Write columns; a 2-D array becomes a column of fixed-size lists."""
    pa = require_pyarrow()
    arrays = {}
    for name, values in columns.items():
        with _one_error(f'the column "{name}" does not fit in parquet'):
            if isinstance(values, np.ndarray) and values.ndim == 2:
                flat = pa.array(values.ravel())
                arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
            else:
                arrays[name] = pa.array(values)
    pa.parquet.write_table(pa.table(arrays), path)


@contextmanager
def _one_error(problem: str) -> Iterator[None]:
    """Turn whatever pyarrow raises, often over several lines, into a TableError of one."""
    raised = (OSError, ValueError, KeyError, TypeError, OverflowError)
    try:
        yield
    except UnicodeEncodeError:
        raise  # a text that no format can hold, which `write_table` explains
    except (require_pyarrow().ArrowException, *raised) as error:
        raise TableError(f"{problem}: {' '.join(str(error).split())}") from None
