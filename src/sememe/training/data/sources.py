"""Blocks of rows from a file, from a data set of the Hub, or from Python's own lists."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sememe.errors import InputError, TableError
from sememe.extras import importing
from sememe.tables import Source, Table, stream_table
from sememe.tables.files import FORMATS, file_name
from sememe.training.data.kinds import layout_of

# A path, a data set ("org/name:config@split"), a dict of columns, a list of dicts, or a Table.
Data = str | os.PathLike[str] | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Table

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
    if isinstance(data, Mapping):
        columns = {str(name): list(values) for name, values in data.items()}
    elif isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        columns = {str(name): [row.get(name) for row in data] for name in names}
    else:
        raise InputError(
            f"the data are a {type(data).__name__}; pass a path, the name of a data set, a dict of "
            'columns or a list of dicts (of a pandas DataFrame: frame.to_dict("list"))'
        )
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"the data must be columns of one length, not {lengths or 'none at all'}")
    return Table(columns, Source("the data", "index", range(max(lengths.values()))))
