"""parquet, by way of pyarrow, which is optional and imported only when a file asks for it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np

from sememe.errors import TableError
from sememe.extras import importing
from sememe.tables.table import Columns, Pick, Source, Table

_BATCH_ROWS = 65_536


def require_pyarrow() -> Any:
    """The pyarrow module, or MissingExtra with the command that installs it."""
    with importing("pyarrow", purpose="parquet files"):
        import pyarrow.parquet
    return pyarrow


class ArrowColumn(Sequence[Any]):
    """A column of parquet, as Arrow has it until somebody asks for Python values.

    `write_table` writes it to parquet with the type, the nullability and the metadata it had.
    """

    def __init__(self, chunks: Sequence[Any], field: Any, file: str) -> None:
        self._arrow = require_pyarrow().chunked_array(chunks, field.type)
        self.field = field
        self._file = file
        self._problem = f"{file}: {_named([field.name])} cannot be read"

    @cached_property
    def _values(self) -> list[Any]:
        with _one_error(self._problem):
            return _python_values(self._arrow)

    @property
    def chunks(self) -> list[Any]:
        """Its values, in Arrow's arrays."""
        chunks: list[Any] = self._arrow.chunks
        return chunks

    def take(self, rows: Sequence[int]) -> "ArrowColumn":
        """The column of these rows (from 0) alone."""
        with _one_error(self._problem):
            return ArrowColumn(_take(self._arrow, rows), self.field, self._file)

    def __arrow_array__(self, type: Any = None) -> Any:  # what `pyarrow.array` looks for
        return self._arrow if type is None else self._arrow.cast(type)

    def __len__(self) -> int:
        return len(self._arrow)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __getitem__(self, i: Any) -> Any:
        return self._values[i]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._values == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._values)


def _take(arrow: Any, rows: Sequence[int]) -> list[Any]:
    numbers = np.asarray(rows, np.int64)
    try:
        parts = [arrow.take(numbers)]
    except require_pyarrow().ArrowException:  # views, and more text than 32 bits can count
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
        parts = [arrow.slice(run[0], len(run)) for run in runs if len(run)]
    return [chunk for part in parts for chunk in part.chunks]


def _python_values(arrow: Any) -> list[Any]:
    """Values as Python has them, which counts no nanoseconds: times that need them are texts."""
    pa = require_pyarrow()
    kind = arrow.type
    if getattr(kind, "unit", "") == "ns":
        micro = {
            "timestamp": pa.timestamp("us", getattr(kind, "tz", None)),
            "duration": pa.duration("us"),
            "time64": pa.time64("us"),
        }
        try:
            arrow = arrow.cast(micro[str(kind).partition("[")[0]])
        except pa.ArrowInvalid:
            arrow = arrow.cast(pa.string())
    values: list[Any] = arrow.to_pylist()
    return values


def read_parquet(stream: IO[bytes], file: str, pick: Pick, size: float) -> Iterator[Table]:
    """Yield the columns that `pick` takes from the schema, in Arrow, `size` rows a time."""
    pa = require_pyarrow()
    with _one_error(f"{file} cannot be read as parquet"):
        data = pa.parquet.ParquetFile(stream)
    schema, rows = data.schema_arrow, data.metadata.num_rows
    if not (schema.names and rows):
        raise TableError(f"{file} has a schema but no rows")
    picked = list(pick(schema.names) if pick else schema.names)
    is_streamed = size != float("inf")
    with _one_error(f"{file}: {_named(picked)} cannot be read"):
        batches = data.iter_batches(int(size) if is_streamed else _BATCH_ROWS, columns=picked)
        start = 0
        for group in ([batch] for batch in batches) if is_streamed else [list(batches)]:
            block = {}
            for name in picked:
                field = schema.field(name)
                block[name] = ArrowColumn([batch.column(name) for batch in group], field, file)
            end = start + sum(map(len, group))
            if end > start:  # a row group may have no row
                yield Table(block, Source(file, "row", range(start + 1, end + 1), start))
            start = end


def _named(columns: Sequence[str]) -> str:
    return "the column " + " and ".join(f'"{name}"' for name in columns)


def write_parquet(path: Path, columns: Columns, metadata: Mapping[str, str] | None = None) -> None:
    """Write columns; a 2-D array becomes a column of fixed-size lists."""
    pa = require_pyarrow()
    arrays, fields = [], []
    for name, values in columns.items():
        with _one_error(f'the column "{name}" does not fit in parquet'):
            arrays.append(_arrow(values))
            field = getattr(values, "field", None)
            fields.append(field.with_name(name) if field else pa.field(name, arrays[-1].type))
    # Vectors do not compress; to try takes longer than to write them.
    plain = [name for name, values in columns.items() if getattr(values, "ndim", 1) == 1]
    table = pa.table(arrays, pa.schema(fields, metadata))
    pa.parquet.write_table(table, path, use_dictionary=plain, compression={
        f"{name}{'' if name in plain else '.list.element'}": "zstd" if name in plain else "none"
        for name in columns
    })  # fmt: skip


def _arrow(values: Any) -> Any:
    """The values in Arrow: null where a row of a masked array is masked, text if all are None."""
    pa = require_pyarrow()
    if isinstance(values, np.ndarray) and values.ndim == 2:
        array = pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(values)), values.shape[1])
        if not isinstance(values, np.ma.MaskedArray):
            return array
        masked = np.ma.getmaskarray(values).any(axis=1)
        return array.take(pa.array(np.arange(len(values)), mask=masked))
    typed = isinstance(values, ArrowColumn) or getattr(values, "dtype", None) not in (None, object)
    return pa.array(values, None if typed or any(v is not None for v in values) else pa.string())


def arrow_column(name: str, values: Sequence[Any], kind: str) -> ArrowColumn:
    """Python values as a column of one of Arrow's types: "string", "int64", "float64", "bool"."""
    pa = require_pyarrow()
    field = pa.field(name, pa.type_for_alias(kind))
    return ArrowColumn([pa.array(values, field.type)], field, f'the column "{name}"')


def joined(columns: Sequence[ArrowColumn]) -> ArrowColumn:
    """Columns of one file, end to end, as one."""
    field = columns[0].field
    chunks = [chunk for column in columns for chunk in column.chunks]
    return ArrowColumn(chunks, field, f'the column "{field.name}"')


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
