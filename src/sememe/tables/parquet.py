"""parquet, by way of pyarrow, which is optional and imported only when a file asks for it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from sememe.errors import TableError, required
from sememe.tables.table import Columns, Pick, Source, Table

_BATCH_ROWS = 65_536


def require_pyarrow() -> Any:
    """The pyarrow module, or MissingExtra with the command that installs it."""
    message = 'parquet files need pyarrow: pip install "sememe[parquet]"'
    with required(message, "pyarrow", "pyarrow.parquet"):
        import pyarrow.parquet
    return pyarrow


def read_parquet(stream: IO[bytes], file: str, pick: Pick, size: float) -> Iterator[Table]:
    """Yield the columns that `pick` takes from the schema, as Python values, `size` rows a time."""
    pa = require_pyarrow()
    with _one_error(f"{file} cannot be read as parquet"):
        data = pa.parquet.ParquetFile(stream)
    names, rows = data.schema_arrow.names, data.metadata.num_rows
    if not (names and rows):
        raise TableError(f"{file} has a schema but no rows")
    picked = list(pick(names) if pick else names)
    if size != float("inf"):
        start = 1
        with _one_error(f"{file}: {_named(picked)} cannot be read"):
            for batch in data.iter_batches(int(size), columns=picked):
                block = {name: batch.column(name).to_pylist() for name in picked}
                yield Table(block, Source(file, "row", range(start, start + len(batch))))
                start += len(batch)
        return
    columns: dict[str, list[object]] = {name: [] for name in picked}
    for name, values in columns.items():  # one at a time: so an error names the column
        with _one_error(f"{file}: {_named([name])} cannot be read"):
            for batch in data.iter_batches(_BATCH_ROWS, columns=[name]):  # Arrow holds one of them
                values += batch.column(name).to_pylist()
    yield Table(columns, Source(file, "row", range(1, rows + 1)))


def _named(columns: Sequence[str]) -> str:
    return "the column " + " and ".join(f'"{name}"' for name in columns)


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
                known = len(values) or isinstance(values, np.ndarray)
                arrays[name] = pa.array(values, None if known else pa.string())
    # Vectors do not compress; to try takes longer than to write them.
    plain = [name for name, values in columns.items() if getattr(values, "ndim", 1) == 1]
    pa.parquet.write_table(pa.table(arrays), path, use_dictionary=plain, compression={
        f"{name}{'' if name in plain else '.list.element'}": "zstd" if name in plain else "none"
        for name in columns
    })  # fmt: skip


def join_parquet(path: Path, parts: Sequence[Path]) -> None:
    """Write parquet files of one schema as one, a row group each."""
    pa = require_pyarrow()
    with _one_error(f"{path} cannot be written"):
        schema = pa.parquet.read_schema(parts[0])
        plain = [field.name for field in schema if not pa.types.is_fixed_size_list(field.type)]
        with pa.parquet.ParquetWriter(path, schema, use_dictionary=plain, compression="none") as to:
            for part in parts:
                to.write_table(pa.parquet.read_table(part, memory_map=False))


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
