"""Results of any number of texts or pairs on disk: shard by shard, each computed on its own.

A result's last bits depend on the texts that it is padded with. Shards are cut by the input alone
and computed apart, so an interrupted job that resumes ends with the same bytes.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import IOBase
from itertools import islice
from pathlib import Path
from typing import Any, Generic

import numpy as np

from sememe import tables
from sememe.arguments import as_path
from sememe.encoders.pipeline import Item
from sememe.encoders.vectors import Vectors
from sememe.errors import CostWarning, InputError, JobError, TableError, warn
from sememe.jobs import FileRows, Job, Part, flat
from sememe.processes import submit
from sememe.tables.files import split_sheet
from sememe.tables.parquet import require_pyarrow
from sememe.tables.xlsx import require_openpyxl
from sememe.text import HalfPairs, as_list, refuse_tables

SHARD_TEXTS, _SHARD_CHARACTERS = 16_384, 8_000_000
_SLOW_PART_SECONDS = 30

# The suffixes of what results can be written as; "" is a folder of parquet shards.
VECTORS = (".parquet", ".npy", ".jsonl", "")
SCORES = (".csv", ".tsv", ".xlsx", *VECTORS)
FINGERPRINT = "sememe.fingerprint"  # of parquet's metadata

PASSAGES = (".parquet", ".jsonl", "")  # .npy would not say where they are


@dataclass(frozen=True)
class Task(Generic[Item]):
    """What is done with the items of a job.

    Attributes:
        kind: the job's kind, as its manifest says it.
        settings: JSON values, all that the results depend on beside the items.
        items, result: what messages call the items, texts or pairs, and what each gets, "a vector".
        check: the items of a part as a list, or InputError; it is given the first one's number.
        compute: items, and what a message calls item i, to an array of one row an item.
        results: an array as columns by name.
        forms: which of the suffixes the results can be written as.
        blank: whether a blank text that is no file's has a result.
        split: texts to the spans of the passages of each, where a passage is what has a result.
    """

    kind: str
    settings: Mapping[str, Any]
    items: str
    check: Callable[..., list[Item]]
    compute: Callable[[list[Item], Callable[[int], str]], Vectors]
    results: Callable[[Vectors], Mapping[str, Any]]
    result: str
    forms: tuple[str, ...] = VECTORS
    blank: bool = True
    split: Callable[[list[Any]], list[list[tuple[int, int]]]] | None = None


@dataclass(frozen=True)
class OnDisk:
    """What is on disk now: a file or a folder of so many rows, texts or pairs.

    `dim` is how many numbers each has (bytes, where vectors are binary), `found` how many were
    found finished, and not computed again, and `blank` how many have no text, and so no result.
    """

    path: Path
    rows: int
    dim: int
    found: int
    blank: int = 0


def check_output(
    path: str | os.PathLike[str],
    forms: tuple[str, ...] = VECTORS,
    source: str | os.PathLike[str] | None = None,
) -> str:
    """The one of the `forms` that a path asks for; `source` is the file that is read.

    InputError for another suffix, or where the source would be overwritten; TableError where
    nothing can be written; MissingExtra for parquet without pyarrow.
    """
    target = as_path("path", path)
    suffix = "" if target.is_dir() else target.suffix.lower()
    if suffix not in forms:
        suffixes = ", ".join(form for form in forms if form)
        raise InputError(f"{path}: results go into {suffixes}, or a folder (no suffix).")
    if source is not None and os.fspath(source) != "-":
        place = Path(split_sheet(source)[0]).resolve()
        if place == target.resolve():
            raise InputError(f"{path} would overwrite {source}, which is read; give another name.")
        if _job_folder(target, suffix) in (place, *place.parents):
            raise InputError(
                f"{source} lies in {_job_folder(target, suffix)}, where the output's shards go; "
                "give another output."
            )
    if suffix in (".parquet", ""):
        require_pyarrow()
    elif suffix == ".xlsx":
        require_openpyxl()
    if target.is_dir():
        if not os.access(target, os.W_OK | os.X_OK):
            raise TableError(f"{path} cannot be written: you may not write into it")
    else:
        tables.check_destination(target)
    return suffix


def _job_folder(target: Path, form: str) -> Path:
    """Where the shards go: the target, or of a single file a folder beside it."""
    file = target.resolve()
    return file.with_name(file.name + ".job") if form else file


def to_disk(
    task: Task[Item], items: Iterable[Any] | FileRows, path: str | os.PathLike[str]
) -> OnDisk:
    """Compute items shard by shard, or only those that are not finished, and join the shards."""
    rows = items if isinstance(items, FileRows) else _Items(task, items)
    form, target = check_output(path, task.forms, rows.path), Path(path)
    output = _Output(task, form)
    settings = {**task.settings, **rows.settings, "form": form}
    settings["shard"] = [SHARD_TEXTS, _SHARD_CHARACTERS]
    empty = task.compute([], str)
    (no_rows,) = _in_passages([rows.empty()], task, rows)
    folder = _job_folder(target, form) if form else target
    with Job.opened(folder, task.kind, settings) as job:
        count, shards = _shards(job, output, rows)
        if form:
            _join(target, folder, shards, lambda path: output.write(no_rows, empty, path))
            job.remove()
    output.warn()
    if rows.blanks.count and form == ".npy":
        written = 'the vector of ""' if output.blank_results else "NaN"
        rows.blanks.warn(f"and written as {written}: .npy has no empty value")
    else:
        rows.blanks.warn(f"and without {task.result}")
    dim = empty.shape[1] if empty.ndim > 1 else 1
    return OnDisk(target, count, dim, job.resumed, rows.blanks.count)


def _shards(
    job: Job, output: "_Output[Item]", rows: "FileRows | _Items[Item]"
) -> tuple[int, list[Path]]:
    number, count, slow = -1, 0, False
    written: Future[None] | None = None
    with ThreadPoolExecutor(1) as writer:
        parts = rows.parts(SHARD_TEXTS, _SHARD_CHARACTERS)
        for number, part in enumerate(_in_passages(parts, output.task, rows)):
            if not job.has(number, part.identity):
                started = time.perf_counter()
                values = output.compute(part)  # while the part before is being written
                seconds, size = time.perf_counter() - started, len(part.items)
                if seconds > _SLOW_PART_SECONDS and not slow:  # how many there are is not known
                    slow = True
                    warn(
                        f"This computes about {size / seconds:,.0f} a second, a million in "
                        f"{1e6 / size * seconds / 3600:.1f} h.",
                        CostWarning,
                    )
                write = partial(output.write, part, values)
                if written:
                    written.result()
                written = submit(writer, job.write, number, part.identity, output.suffix, write)
            count += len(part.items)
        if written:
            written.result()
    return count, job.finish(number + 1)


class _Items(Generic[Item]):
    """Texts or pairs from Python, which have no other columns."""

    def __init__(self, task: Task[Item], items: Iterable[Any]) -> None:
        self._task: Task[Item] = task
        self._axes = 2 if task.items == "pairs" else 1
        refuse_tables(items, task.items, self._axes)
        if hasattr(items, "to_pylist") or hasattr(items, "tolist"):
            items = as_list(items, task.items, self._axes)
        self._items = items
        name = getattr(items, "name", None) if isinstance(items, IOBase) else None
        self.path = name if isinstance(name, str) else None  # of an open file
        self.settings: dict[str, Any] = {}
        self.texts = ["text"]
        self.blanks = tables.BlankCells("text")

    def empty(self) -> Part[Item]:
        return Part([], self._columns([]), [], str, [])

    def parts(self, most: int, characters: int) -> Iterator[Part[Item]]:
        """Yield the items in parts of at most so many, fewer where they are long."""
        source, halves = iter(self._items), HalfPairs()
        first: int = 0
        while items := self._task.check(_part_of(source, most, characters), first, halves=halves):
            where = lambda row, at=first: f"{self._task.items}[{at + row}]"  # noqa: E731
            blank: list[int] = []
            if not self._task.blank:
                texts: list[Any] = items
                numbers = range(first + 1, first + len(items) + 1)
                blank = self.blanks.add(texts, tables.Source(self._task.items, "row", numbers))
            yield Part(items, self._columns(items), blank, where, items)
            first += len(items)
        halves.warn()

    def _columns(self, items: list[Any]) -> dict[str, Any]:
        if self._task.items == "texts":
            return {"text": items}
        return {"first": [a for a, _ in items], "second": [b for _, b in items]}


def _in_passages(
    parts: Iterable[Part[Item]], task: Task[Item], rows: FileRows | _Items[Item]
) -> Iterator[Part[Any]]:
    """The parts; where texts are split, with a row a passage."""
    document = int(isinstance(rows, FileRows))  # rows of files are counted from 1
    for part in parts:
        yield _passages(part, task.split(part.items), document, rows.texts) if task.split else part
        document += len(part.items)


def _passages(
    part: Part[Any], spans: list[list[tuple[int, int]]], document: int, texts: Sequence[str]
) -> Part[str]:
    """A part with a row a passage, and one of a blank text; its `texts` columns give way."""
    places = [(row, *span) for row, each in enumerate(spans) for span in each or [(0, 0)]]
    rows, starts, ends = np.array(places, np.int64).reshape(-1, 3).T
    passages = [part.items[row][start:end] for row, start, end in places]
    others = {name: values for name, values in part.columns.items() if name not in texts}
    source = tables.Source("", "row", range(len(part.items)))
    columns: dict[str, Any] = dict(tables.Table(others, source).take(rows.tolist()).columns)
    added = {"document": rows + document, "start": starts, "end": ends, "passage": passages}
    for name, values in added.items():
        columns[tables.new_column(name, columns)] = values
    blank = np.flatnonzero(np.isin(rows, part.blank)).tolist()
    return Part(passages, columns, blank, lambda i: part.where(places[i][0]), part.identity)


def _part_of(source: Iterator[Any], most: int, characters: int) -> Iterator[Any]:
    """As many items as make a part: fewer, where they are long."""
    total = 0
    for item in islice(source, most):
        yield item  # and is checked by whoever takes it
        total += sum(len(text) for text in flat([item]) if isinstance(text, str))
        if total > characters:
            return


class _Output(Generic[Item]):
    """Computes parts and writes them in one form; what that form cannot hold is replaced."""

    def __init__(self, task: Task[Item], form: str) -> None:
        self.task: Task[Item] = task
        self.suffix = form or ".parquet"
        self._changed = False
        # A score of nothing is NaN, a vector is bytes where it is binary.
        self.blank_results = form == ".npy" and task.kind == "encode"

    def compute(self, part: Part[Item]) -> Vectors:
        rows = self._rows(part)
        items = [part.items[row] for row in rows]
        return self.task.compute(items, lambda i: part.where(rows[i]))

    def write(self, part: Part[Item], values: Vectors, path: Path) -> None:
        """Write a part and its results, with empty values where there is no text."""
        rows, count = self._rows(part), len(part.items)
        if self.suffix == ".npy":
            with tables.replacing(path) as temporary, temporary.open("wb") as file:
                spread = _spread(values, rows, count)
                np.save(file, spread.filled(np.nan) if len(rows) < count else values)
            return
        columns = dict(part.columns)
        for name, column in self.task.results(values).items():
            columns[tables.new_column(name, columns)] = _spread(column, rows, count)
        metadata = {FINGERPRINT: self.task.settings["fingerprint"]}
        self._changed = tables.write_table(path, columns, metadata, note=False) or self._changed

    def warn(self) -> None:
        if self._changed:
            tables.warn_of_replaced(self.suffix[1:])

    def _rows(self, part: Part[Item]) -> list[int]:
        blank = set() if self.blank_results else set(part.blank)
        return [row for row in range(len(part.items)) if row not in blank]


def _spread(values: Any, rows: list[int], count: int) -> Any:
    """The values of some rows as a column of all, whose other rows are masked, in a list None."""
    if len(rows) == count:
        return values
    if not isinstance(values, np.ndarray):
        by_row = dict(zip(rows, values, strict=True))
        return [by_row.get(row) for row in range(count)]
    column = np.zeros((count, *values.shape[1:]), values.dtype)
    mask = np.ones(column.shape, bool)
    column[rows] = values
    mask[rows] = False
    return np.ma.MaskedArray(column, mask)


def _join(
    target: Path, folder: Path, shards: Sequence[Path], write_none: Callable[[Path], None]
) -> None:
    try:
        with tables.replacing(target, folder) as temporary:
            write_none(temporary)  # a header, in csv and tsv, as each of the shards has it
            if shards:
                join = {
                    ".parquet": tables.join_parquet,
                    ".npy": _join_arrays,
                    ".xlsx": tables.join_xlsx,
                }.get(target.suffix.lower(), _join_lines)
                join(temporary, shards)
    except TableError as error:
        raise JobError(
            f"{str(error).rstrip('.')}. All shards are finished and safe: once this is mended (is "
            "the disk full?), the same command writes the file.",
            unavailable=error.unavailable,
        ) from error


def _join_lines(path: Path, shards: Sequence[Path]) -> None:
    header = path.stat().st_size
    with path.open("ab") as file:
        for shard in shards:
            file.write(shard.read_bytes()[header:])


def _join_arrays(path: Path, shards: Sequence[Path]) -> None:
    headers = [np.load(shard, mmap_mode="r") for shard in shards]
    header = {
        "descr": np.lib.format.dtype_to_descr(headers[0].dtype),
        "fortran_order": False,
        "shape": (sum(map(len, headers)), *headers[0].shape[1:]),
    }
    del headers  # mapped files that are read count as memory
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for shard in shards:
            file.write(np.load(shard).data)
