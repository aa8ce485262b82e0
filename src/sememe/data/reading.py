"""Tables from anywhere, and which kind of labelled data the names of their columns make."""

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

from sememe.arguments import shown
from sememe.errors import InputError, TableError
from sememe.extras import importing
from sememe.tables import Source, Table, stream_table
from sememe.tables.files import FORMATS, file_name
from sememe.tables.table import choose_columns
from sememe.text.check import as_list


class Frame(Protocol):
    """A DataFrame or a table of pandas, polars or pyarrow."""

    @property
    def columns(self) -> Any:
        """Its columns' names; of pyarrow the columns, and `column_names` has the names."""


# A path, a data set ("org/name:config@split"), a frame, a dict of columns, dicts of rows, a Table.
Data = str | os.PathLike[str] | Frame | Mapping[str, Any] | Iterable[Mapping[str, Any]] | Table
Kind = Literal[
    "pairs", "triplets", "taught triplets", "scored pairs", "labelled pairs", "labelled texts"
]

_DATA_SET = re.compile(r"([^:@]+)(?::([^:@]+))?(?:@(.+))?")
_ON_THE_HUB = re.compile(r"\w[\w.-]*/[\w.-]+")
# anchor, text, label …: the column that has it; of texts several, which are joined.
Roles = Mapping[str, str | Sequence[str]] | None
# From the names of all columns and the file's: the names of those to read.
Picking = Callable[[Sequence[str], str], Sequence[str]]
_BLOCK_ROWS = 4096

_NEGATIVE = re.compile(r"negative(_\d+)?")
_WORD = re.compile(
    rf"anchor|(positive|{_NEGATIVE.pattern})(_score)?|sentence[12]|premise|hypothesis|query"
    "|document|text|score|label"
)
_PAIRS = (("sentence1", "sentence2"), ("premise", "hypothesis"), ("query", "document"))
_NAME_THEM = ", or say which is which: --columns text=NAME,label=NAME (in Python, columns={...})"
_KINDS_OF_COLUMNS = (
    "Training reads these: anchor and positive, perhaps with negative, negative_2, …, and then "
    "perhaps a teacher's positive_score, negative_score, negative_2_score, …; query and document; "
    "sentence1 and sentence2 (or premise and hypothesis, or query and document) with score or "
    "label; text and label."
)


def read_blocks(data: Data, pick: Picking, size: float = _BLOCK_ROWS) -> Iterator[Table]:
    """Yield tables of up to `size` rows with the columns that `pick` takes; others are not read.

    Data in memory are one table, whatever the size.
    """
    if isinstance(data, str | os.PathLike):
        spec = _DATA_SET.fullmatch(os.fspath(data))
        if spec and not Path(data).is_file() and _is_data_set(Path(spec[1])):
            return _blocks_of_data_set(spec, pick, size)
        return stream_table(data, lambda names: pick(names, file_name(data)), size)
    table = data if isinstance(data, Table) else _table_in_memory(data)
    names = pick(list(table.columns), table.source.file)
    return iter([Table({name: table.columns[name] for name in names}, table.source)])


def read_all(data: Data) -> Table:
    """All columns and rows as one table."""
    (table,) = read_blocks(data, lambda names, _: names, math.inf)
    return table


def _is_data_set(path: Path) -> bool:
    has_suffix_of_file = FORMATS.keys() & {suffix.lower() for suffix in path.suffixes}
    return path.is_dir() or (not has_suffix_of_file and bool(_ON_THE_HUB.fullmatch(str(path))))


def _blocks_of_data_set(spec: re.Match[str], pick: Picking, size: float) -> Iterator[Table]:
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
    data = data.select_columns(pick(data.column_names, spec[0]))
    rows = int(min(size, max(1, len(data))))
    for start in range(0, len(data), rows):
        block = data[start : start + rows]
        columns = {name: _class_names(block[name], data.features[name]) for name in block}
        numbers = range(start + 1, len(data) + 1)[:rows]
        yield Table(columns, Source(spec[0], "row", numbers))


def _class_names(values: list[Any], feature: Any) -> list[object]:
    # Of a ClassLabel; its -1 stands for none.
    names = getattr(feature, "names", None)
    return [names[v] if v is not None and v >= 0 else None for v in values] if names else values


def _table_in_memory(data: Any) -> Table:
    if isinstance(data, Mapping) and any(hasattr(x, "column_names") for x in data.values()):
        splits = [str(name) for name in data]
        raise InputError(
            f'the data have the splits {", ".join(splits)}: give one, as in data["{splits[0]}"].'
        )
    names = data if isinstance(data, Mapping) else getattr(data, "column_names", None)
    names = getattr(data, "columns", None) if names is None else names
    if names is not None:
        features = getattr(data, "features", None) if hasattr(data, "column_names") else None
        columns = {
            str(name): _class_names(as_list(data[name], str(name)), (features or {}).get(name))
            for name in names
        }
    elif isinstance(data, Iterable) and not isinstance(data, bytes):
        rows = list(data)
        for i, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise InputError(
                    f"the data, index {i}: {shown(row)} is no row; give a dict with the columns' "
                    'names, such as {"text": "...", "label": "..."}'
                )
        keys = dict.fromkeys(key for row in rows for key in row)  # that any of the rows has
        columns = {str(key): [row.get(key) for row in rows] for key in keys}
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


@dataclass(frozen=True)
class Layout:
    """A kind, and the table's names of the columns that are read for it."""

    kind: Kind
    texts: dict[str, list[str]]
    targets: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """The table's names of all columns that are read."""
        return [*chain(*self.texts.values()), *self.targets.values()]


def layout_of(names: Iterable[str], file: str, roles: Roles = None) -> Layout:
    """The one layout that uses every meaningful name, whatever its case and outer spaces.

    Other names are left alone; negative_1 means negative. Columns that `roles` names have their
    role whatever they are called; those that make a kind by themselves need no others. TableError
    where the meaningful names make no kind, or more than one.
    """
    names = list(names)
    name_of, requested = columns_by_word(names, file, roles, _WORD, _KINDS_OF_COLUMNS)
    layouts = _layouts(sum(1 for word in name_of if _NEGATIVE.fullmatch(word)))
    for candidates in (name_of, requested):
        for kind, texts, targets in layouts:
            if candidates.keys() == {*texts, *targets}:
                return Layout(
                    kind,
                    {word: candidates[word] for word in texts},
                    {word: candidates[word][0] for word in targets},
                )
    kinds = {(*texts, *targets): kind for kind, texts, targets in layouts}
    raise TableError(
        f"{file} has the columns {quoted(names)}. {_problem(name_of, kinds)} {_KINDS_OF_COLUMNS}"
    )


def columns_by_word(
    names: Sequence[str], file: str, roles: Roles, words: re.Pattern[str], kinds: str
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The columns that mean something, by the word for it: all, and those that `roles` names.

    `words` are those that can be meant, and `kinds` says of which columns the data may consist.
    TableError for two columns of one meaning, or one that is not there; InputError for bad roles.
    """
    requested = {
        role: choose_columns(names, columns, file)
        for role, columns in _checked_roles(roles, words, kinds).items()
    }
    taken = list(chain(*requested.values()))
    if len({*taken}) < len(taken):
        raise InputError(f"columns={shown(roles)}: one column cannot be two; name it once.")
    name_of = dict(requested)
    for name in names:
        word = _folded(name)
        if word in requested or name in taken:
            continue
        if word in name_of:
            both = f'"{name_of[word][0]}" and "{name}"'
            raise TableError(f"{file}: the columns {both} both mean {word}; rename one")
        if words.fullmatch(word):
            name_of[word] = [name]
    return name_of, requested


def _folded(name: str) -> str:
    return re.sub(r"^negative_1(?=_score$|$)", "negative", name.strip().casefold())


def _checked_roles(
    roles: Roles, words: re.Pattern[str], kinds: str
) -> dict[str, str | Sequence[str]]:
    if roles is None:
        return {}
    problem = f"columns={shown(roles)}"
    if not isinstance(roles, Mapping) or not all(
        isinstance(word, str) and word
        for role, columns in roles.items()
        for word in (role, *(columns if isinstance(columns, list | tuple) else [columns]))
    ):
        raise InputError(f'{problem}: give each its column, such as {{"anchor": "question"}}.')
    for role, columns in roles.items():
        if not words.fullmatch(_folded(role)):
            raise InputError(f'{problem}: there is no "{role}". {kinds}')
        is_text = not _folded(role).endswith(("score", "label", "split"))
        if not columns or not (is_text or isinstance(columns, str)):
            raise InputError(f"{problem}: give {role} one column; only texts can have several.")
    return {_folded(role): name for role, name in roles.items()}


def _layouts(negatives: int) -> list[tuple[Kind, tuple[str, ...], tuple[str, ...]]]:
    """The kinds there are with so many negatives: their texts and their targets."""
    more = (f"negative_{number}" for number in range(2, negatives + 1))
    triplet = ("anchor", "positive", "negative", *more)
    return [
        ("pairs", triplet[:2], ()),
        ("pairs", _PAIRS[-1], ()),
        ("triplets", triplet, ()),
        ("taught triplets", triplet, tuple(f"{word}_score" for word in triplet[1:])),
        *(("scored pairs", pair, ("score",)) for pair in _PAIRS),
        *(("labelled pairs", pair, ("label",)) for pair in _PAIRS),
        ("labelled texts", ("text",), ("label",)),
    ]


def _problem(name_of: dict[str, list[str]], kinds: dict[tuple[str, ...], Kind]) -> str:
    """Why the names make no kind, and which columns to add or to leave out."""
    if not name_of:
        return f"None of these names says what they hold; rename them{_NAME_THEM}."
    complete = [words for words in kinds if name_of.keys() >= {*words}]
    complete = [words for words in complete if not any({*words} < {*other} for other in complete)]
    if len(complete) > 1:
        fits = " and ".join(f"{kinds[words]} ({', '.join(words)})" for words in complete)
        return f"They fit {fits}; keep the columns of one, and rename or remove the others."
    nearest = min(kinds, key=lambda words: len(name_of.keys() ^ {*words}))
    missing = [word for word in nearest if word not in name_of]
    extra = [name for word in name_of if word not in nearest for name in name_of[word]]
    advice = " and ".join(
        f"{verb} {quoted(columns)}"
        for verb, columns in (("add", missing), ("rename or remove", extra))
        if columns
    )
    return f"To train on {kinds[nearest]}, {advice}{_NAME_THEM * bool(missing)}."


def quoted(names: Iterable[str]) -> str:
    """Names as messages have them."""
    return ", ".join(f'"{name}"' for name in names)
