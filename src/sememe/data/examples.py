"""Examples to train and measure on: loaded from anywhere, checked once, read by number."""

import json
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import chain
from tempfile import TemporaryFile, gettempdir
from typing import Any, NamedTuple
from weakref import finalize

import numpy as np
import numpy.typing as npt

from sememe.arguments import shown
from sememe.data import checks
from sememe.data.reading import Data, Kind, Roles, layout_of, read_blocks
from sememe.errors import InputError, JobError, SememeWarning, is_unavailable, warn
from sememe.tables import BlankCells

_FEWEST_TO_TRAIN, _FEWEST_TO_MEASURE = 4, 2


class Example(NamedTuple):
    """The texts of a row (or what else a tower reads), and its score, label or teacher's scores."""

    texts: tuple[Any, ...]
    target: float | int | tuple[float, ...] | None = None


def load(
    data: Data,
    *,
    columns: Roles = None,
    score_range: tuple[float, float] | None = None,
    folder: str | os.PathLike[str] | None = None,
    like: "Examples | None" = None,
    fewest: int | None = None,
) -> "Examples":
    """Read and check labelled data, which may be larger than memory.

    Args:
        data: a csv, tsv, xlsx, jsonl or parquet file; with `datasets` installed a folder, or a data
            set of the Hub, "org/name:config@split" (a file of that name goes first; without @split
            it is train); a DataFrame; a dict of columns; a list of dicts; or a `Table`.
        columns: the columns that are not called as what they are, such as {"text": "question",
            "label": "intent"}; None goes by their names. {"text": ["title", "body"]} joins texts by
            a blank line.
        score_range: the lowest and highest score there can be, which become 0 and 1. None: scores
            from 0 to 1, or -1 to 1, stay as they are; those from 0 to 5 are divided by 5.
        folder: where the texts are kept on disk; None is the system's temporary folder.
        like: the examples that are trained on, if these are to measure on: of the same kind, with
            the same labels, of which some may be rare or absent in `data`.
        fewest: examples of each label; None for 2, of which one can be held out.

    Raises:
        TableError: columns that make no kind, or more than one; a value that cannot be used.
        InputError: too few rows, scores or labels that are all the same, a scale that is not
            clear; another kind of data than `like`.
        MissingExtra: a data set without `datasets`, parquet without pyarrow.
        JobError: no room for the texts.

    >>> pairs = load({"query": ["a", "b", "c", "d"], "document": ["A", "B", "C", "D"],
    ...               "score": [1, 0.2, 1, 0]})
    >>> pairs.kind, pairs[2]
    ('scored pairs', Example(texts=('c', 'C'), target=1.0))
    """
    if score_range is not None and not _is_range(score_range):
        problem = f"score_range={shown(score_range)}"
        raise InputError(f"{problem}: give the lowest and the highest score, as in (0, 5).")
    allowed = () if like is None else like.labels
    codes = {label: code for code, label in enumerate(allowed)}
    layout, n, values, name = None, 0, array("d"), ""
    pick = lambda names, file: layout_of(names, file, columns).columns  # noqa: E731
    for table in read_blocks(data, pick):
        if layout is None:
            name, layout = table.source.file, layout_of(table.columns, table.source.file, columns)
            if like is not None and layout.kind != like.kind:
                raise InputError(
                    f"{name} holds {layout.kind}, and {like.name} {like.kind}: what is measured on "
                    "needs the columns of what is trained on."
                )
            spool = Spool(len(layout.texts), folder)
            blanks = BlankCells(" or ".join(chain(*layout.texts.values())))
        table = checks.rows_with_texts(table, layout.texts.values(), blanks)
        rows = checks.read_texts(table, layout.texts.values())
        spool.write(rows, table.source.rows or range(1, len(rows) + 1))
        n += len(rows)
        if "label" in layout.targets:
            labels = checks.read_labels(table, layout.targets["label"], codes if allowed else ())
            values.extend(codes.setdefault(label, len(codes)) for label in labels)
        else:
            numbers = (checks.read_scores(table, column) for column in layout.targets.values())
            values.extend(score for scores in zip(*numbers, strict=True) for score in scores)
    if layout is not None and blanks.count:
        blanks.warn("and left out")
    least, use = (
        (_FEWEST_TO_TRAIN, "training") if like is None else (_FEWEST_TO_MEASURE, "measuring")
    )
    if layout is None or n < least:
        raise InputError(
            f"{name or 'the data'}: {n} row{'' if n == 1 else 's'}; {use} needs at least {least}"
        )
    spool.seal()
    unit = table.source.unit
    examples = Examples(layout.kind, tuple(layout.texts), name, (), None, unit, spool, np.arange(n))
    examples = _with_targets(
        examples, np.frombuffer(values), list(codes), score_range, like, fewest
    )
    _warn_of_contradictions(examples)
    return examples


def _with_targets(
    examples: "Examples",
    values: npt.NDArray[np.float64],
    names: list[str],
    score_range: tuple[float, float] | None,
    like: "Examples | None",
    fewest: int | None,
) -> "Examples":
    if like is not None and like.labels:
        return replace(examples, labels=like.labels, targets=values.astype(np.int32))
    if names:
        labels, targets = checks.number_labels(values, names, examples.name, fewest or 2)
        return replace(examples, labels=labels, targets=targets)
    if not values.size:
        return examples
    if like is None and values.min() == values.max():
        raise InputError(f"{examples.name}: every score is {values[0]:g}: nothing to learn")
    if examples.kind == "taught triplets":
        return replace(examples, targets=values.reshape(len(examples), -1).astype(np.float32))
    scores = checks.scale_scores(values, score_range, examples.name, examples.where)
    return replace(examples, targets=scores)


def _warn_of_contradictions(examples: "Examples") -> None:
    keys, targets = examples.keys(), examples.targets
    if "anchor" in examples.columns and (same := np.flatnonzero(keys[:, 0] == keys[:, 1])).size:
        warn(
            f"{same.size} of {len(keys)} rows of {examples.name} have the same text as anchor and "
            f"positive, from which nothing is learned (first: {examples.where(same[0])})",
            SememeWarning,
        )
    if examples.labels and targets is not None:
        _, first, group = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        before = first[group.ravel()]
        if (other := np.flatnonzero(targets != targets[before])).size:
            warn(
                f"{other.size} of {len(keys)} rows of {examples.name} give a text another label "
                f"than a row before (first: {examples.where(other[0])}, after "
                f"{examples.where(before[other[0]])})",
                SememeWarning,
            )


def _is_range(values: Any) -> bool:
    try:
        low, high = values
        return not isinstance(values, str) and bool(low < high)
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows of labelled data, by number; the texts are on disk.

    Attributes:
        kind: "pairs", "triplets", "taught triplets", "scored pairs", "labelled pairs" or
            "labelled texts".
        columns: what the texts of a row are, such as ("anchor", "positive", "negative").
        name: the file, or whatever else they came from.
        labels: the names of the labels, sorted, numbers as such; () where there are none.
        targets: scores, float32 (n,); a teacher's scores, float32 (n, columns - 1); places among
            the labels, int32 (n,); None where the kind has none.
    """

    kind: Kind
    columns: tuple[str, ...]
    name: str
    labels: tuple[str, ...]
    targets: npt.NDArray[Any] | None
    _unit: str
    _spool: "Spool"
    _rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, i: int) -> Example:
        target = None if self.targets is None else self.targets[i].tolist()
        texts = self._spool.texts(self._rows[i])
        return Example(texts, tuple(target) if isinstance(target, list) else target)

    def __iter__(self) -> Iterator[Example]:
        return map(self.__getitem__, range(len(self)))

    @property
    def positive_label(self) -> int | None:
        """Of labelled pairs, the place of the label that means "alike"; None if it isn't plain."""
        return checks.positive_label(self.labels) if self.kind == "labelled pairs" else None

    def where(self, i: int) -> str:
        """The place of example `i`, such as "faq.csv, line 7"."""
        return f"{self.name}, {self._unit} {self._spool.lines[self._rows[i]]}"

    def keys(self, indices: Any = slice(None)) -> npt.NDArray[np.int64]:
        """Int64 (n, columns): one key for one text, in every process and data set."""
        return np.asarray(self._spool.keys[self._rows[indices]])

    def digest(self) -> str:
        """Of all texts and targets, as hexadecimal digits."""
        digest = blake2b(np.ascontiguousarray(self.keys()).tobytes(), digest_size=16)
        if self.targets is not None:
            digest.update(np.ascontiguousarray(self.targets).tobytes())
        return digest.hexdigest()

    def subset(self, indices: npt.ArrayLike) -> "Examples":
        """The examples at `indices`, in that order; no text is copied."""
        rows = np.asarray(indices, np.int64)
        targets = None if self.targets is None else self.targets[rows]
        return replace(self, targets=targets, _rows=self._rows[rows])


class Spool:
    """Rows of texts in unlinked files: written in blocks, then sealed and read by number.

    Once sealed it has `lines`, int64 (rows,), each row's number in its source, and `keys`, int64
    (rows, columns), a hash of each text that is the same in every process.
    """

    def __init__(self, columns: int, folder: str | os.PathLike[str] | None) -> None:
        self._folder = folder or gettempdir()
        self._index_width = columns + 2
        self._end = 0
        with self._full_disk_explained():
            self._records = TemporaryFile(dir=folder)  # noqa: SIM115
            self._index = TemporaryFile(dir=folder)  # noqa: SIM115
        for file in (self._records, self._index):  # of data that are refused, never sealed
            finalize(self, file.close)

    def write(self, rows: Iterable[tuple[str, ...]], lines: Iterable[int]) -> None:
        """Add rows of texts, and the number of each in its source."""
        with self._full_disk_explained():
            for texts, line in zip(rows, lines, strict=True):
                record = json.dumps(texts, ensure_ascii=False).encode() + b"\n"
                self._records.write(record)
                self._index.write(array("q", [self._end, line, *map(_key, texts)]).tobytes())
                self._end += len(record)

    def seal(self) -> None:
        """End the writing, after at least one row."""
        with self._full_disk_explained(), self._records, self._index:  # a map outlives its file
            self._records.flush()
            self._index.flush()
            self._bytes = mmap.mmap(self._records.fileno(), 0, access=mmap.ACCESS_READ)
            index = np.memmap(self._index, np.int64, "r").reshape(-1, self._index_width)
        self._starts, self.lines, self.keys = index[:, 0], index[:, 1], index[:, 2:]

    def texts(self, row: int) -> tuple[str, ...]:
        """The texts of one row; safe from several threads."""
        start = int(self._starts[row])
        return tuple(json.loads(self._bytes[start : self._bytes.find(b"\n", start)]))

    @contextmanager
    def _full_disk_explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JobError(
                f"the examples cannot be written to {self._folder}: {error.strerror or error}; "
                "name a folder with more room in the environment variable TMPDIR",
                unavailable=is_unavailable(error),
            ) from error


def _key(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little", signed=True)
