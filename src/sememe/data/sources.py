"""Blocks of rows from a file, from a data set of the Hub, or from Python's own lists."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from sememe.arguments import shown
from sememe.data.kinds import layout_of
from sememe.errors import InputError, TableError
from sememe.extras import importing
from sememe.tables import Source, Table, stream_table
from sememe.tables.files import FORMATS, file_name
from sememe.text.check import as_list


class Frame(Protocol):
    """A DataFrame or a table of pandas, polars or pyarrow."""

    @property
    def columns(self) -> Any:
        """Its columns' names; of pyarrow the columns, and `column_names` has the names."""
        ...

    def __getitem__(self, name: Any, /) -> Any:
        """One column."""
        ...


# A path, a data set ("org/name:config@split"), a frame, a dict of columns, dicts of rows, a Table.
Data = str | os.PathLike[str] | Frame | Mapping[str, Any] | Iterable[Mapping[str, Any]] | Table

_SPEC = re.compile(r"([^:@]+)(?::([^:@]+))?(?:@(.+))?")
_ON_THE_HUB = re.compile(r"\w[\w.-]*/[\w.-]+")
_ROWS = 4096


def read_blocks(data: Data) -> Iterator[Table]:
    """Yield the columns that training reads, some rows at a time; all others are left unread."""
    if isinstance(data, str | os.PathLike):
        spec = _SPEC.fullmatch(os.fspath(data))
        if spec and not Path(data).is_file() and _is_data_set(Path(spec[1])):
            return _from_data_set(spec)
        return stream_table(data, lambda names: layout_of(names, file_name(data)).columns, _ROWS)
    table = data if isinstance(data, Table) else _table(data)
    picked = layout_of(table.columns, table.source.file).columns
    return iter([Table({name: table.columns[name] for name in picked}, table.source)])


def _is_data_set(path: Path) -> bool:
    named_like_a_file = FORMATS.keys() & {suffix.lower() for suffix in path.suffixes}
    return path.is_dir() or (not named_like_a_file and bool(_ON_THE_HUB.fullmatch(str(path))))


def _from_data_set(spec: re.Match[str]) -> Iterator[Table]:
    purpose = f"data sets of the Hub and folders (there is no file {spec[0]})"
    with importing("datasets", purpose=purpose):
        import datasets
    try:
        data = datasets.load_dataset(spec[1], spec[2], split=spec[3] or "train")
    except (ValueError, OSError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise TableError(
            f"there is no file {spec[0]}, and as a data set (org/name:config@split) it cannot be "
            f"read: {' '.join(str(error).split())}"
        ) from error
    data = data.select_columns(layout_of(data.column_names, spec[0]).columns)
    for start in range(0, len(data), _ROWS):
        block = data[start : start + _ROWS]
        columns = {name: _named(block[name], data.features[name]) for name in block}
        yield Table(columns, Source(spec[0], "row", range(start + 1, len(data) + 1)[:_ROWS]))


def _named(values: list[Any], feature: Any) -> list[object]:
    """Values, those of a ClassLabel as the names they stand for; its -1 stands for none."""
    names = getattr(feature, "names", None)
    return [names[v] if v is not None and v >= 0 else None for v in values] if names else values


def _table(data: Any) -> Table:
    names = data if isinstance(data, Mapping) else getattr(data, "column_names", None)
    names = getattr(data, "columns", None) if names is None else names
    if names is not None:
        features = getattr(data, "features", None) if hasattr(data, "column_names") else None
        columns = {
            str(name): _named(as_list(data[name], str(name)), (features or {}).get(name))
            for name in names
        }
    elif isinstance(data, Iterable) and not isinstance(data, bytes):
        columns = _columns(list(data))
    else:
        raise InputError(
            f"the data are of type {type(data).__name__}; give a path, the name of a data set, a "
            "DataFrame, a dict of columns or a list of dicts"
        )
    lengths = {name: len(values) for name, values in columns.items()}
    if not lengths:
        raise InputError("the data are empty")
    if len(set(lengths.values())) > 1:
        raise InputError(f"the columns of the data differ in length: {lengths}")
    return Table(columns, Source("the data", "index", range(max(lengths.values()))))


def _columns(rows: list[Any]) -> dict[str, list[object]]:
    """Rows as columns: those that any of the rows has."""
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InputError(
                f"the data, index {i}: {shown(row)} is no row; give a dict with the columns' "
                'names, such as {"text": "...", "label": "..."}'
            )
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): [row.get(name) for row in rows] for name in names}
