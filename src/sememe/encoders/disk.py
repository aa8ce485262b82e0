"""Results of any number of texts or pairs on disk: shard by shard, each computed on its own.

A result's last bits depend on the texts that it is padded with. Shards are cut by the texts alone
and computed apart, so whoever is killed and goes on ends with the same bytes.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic

import numpy as np

from sememe.encoders.pipeline import Item
from sememe.encoders.truncation import Cuts
from sememe.encoders.vectors import Vectors
from sememe.errors import CostWarning, InputError, JobError, TableError, warn
from sememe.jobs import Job, flat
from sememe.tables import join_parquet, output_format, replacing, write_table

SHARD_TEXTS, _SHARD_CHARACTERS = 16_384, 8_000_000
_SLOW_PART_SECONDS = 30

# The suffixes of what results can be written as; "" is a folder of parquet shards.
VECTORS = (".parquet", ".npy", ".jsonl", "")
SCORES = (".csv", ".tsv", *VECTORS)


@dataclass(frozen=True)
class Task(Generic[Item]):
    """What is done with the items of a job.

    Attributes:
        kind: the job's kind, as its manifest says it.
        settings: JSON values, all that the results depend on beside the items.
        check: the items of a part as a list, or InputError; it is given the first one's number.
        compute: a part, and its first item's number, to an array of one row an item.
        columns: a part and its results as the columns of a table.
        forms: which of the suffixes the results can be written as.
    """

    kind: str
    settings: Mapping[str, Any]
    check: Callable[[Iterable[Any], int], list[Item]]
    compute: Callable[[list[Item], int], tuple[Vectors, Cuts]]
    columns: Callable[[list[Item], Vectors], Mapping[str, Any]]
    forms: tuple[str, ...] = VECTORS


@dataclass(frozen=True)
class OnDisk:
    """What is on disk now.

    Attributes:
        path: the file or the folder.
        rows: how many texts or pairs.
        dim: how many numbers each (bytes, where vectors are binary).
        found: how many of them were found finished, and not computed again.
    """

    path: Path
    rows: int
    dim: int
    found: int


def check_output(path: str | os.PathLike[str], forms: tuple[str, ...] = VECTORS) -> str:
    """The form, of those that can be, which a path asks for.

    Raises:
        InputError: another suffix.
        TableError: nothing can be written there.
        MissingExtra: parquet without pyarrow.
    """
    target = Path(path)
    suffix = "" if target.is_dir() else target.suffix.lower()
    if suffix not in forms:
        known = ", ".join(form for form in forms if form)
        raise InputError(f"{path}: results go into {known}, or a folder (no suffix).")
    if suffix != ".npy":
        output_format(target.absolute().parent / "any.parquet" if not suffix else target)
    elif not target.absolute().parent.is_dir():
        raise TableError(f"{path} cannot be written: there is no folder {target.parent}")
    return suffix


def to_disk(
    task: Task[Item], items: Iterable[Any], path: str | os.PathLike[str]
) -> tuple[OnDisk, Cuts]:
    """Compute items shard by shard, or only those that are not finished, and join the shards."""
    form, target = check_output(path, task.forms), Path(path)
    file = target.resolve()
    folder = file.with_name(file.name + ".job") if form else target
    settings = {**task.settings, "form": form, "shard": [SHARD_TEXTS, _SHARD_CHARACTERS]}
    empty = task.compute([], 0)[0]
    with Job.opened(folder, task.kind, settings) as job:
        rows, cuts, shards = _shards(job, task, items, form or ".parquet")
        if form:
            _join(target, folder, shards, lambda path: _write(task, [], empty, path))
            job.remove()
    dim = empty.shape[1] if empty.ndim > 1 else 1
    return OnDisk(target, rows, dim, job.found), cuts


def _shards(
    job: Job, task: Task[Item], items: Iterable[Any], suffix: str
) -> tuple[int, Cuts, list[Path]]:
    number, rows, cuts = -1, 0, Cuts()
    written: Future[None] | None = None
    with ThreadPoolExecutor(1) as writer:
        for number, part in enumerate(_parts(task, items)):
            if not job.has(number, part):
                started = time.perf_counter()
                values, cut = task.compute(part, rows)  # while the part before is being written
                _say_rate(len(part), time.perf_counter() - started)
                cuts += cut
                write = partial(_write, task, part, values)
                if written:
                    written.result()
                written = writer.submit(job.write, number, part, suffix, write)
            rows += len(part)
        if written:
            written.result()
    return rows, cuts, job.finish(number + 1)


def _say_rate(count: int, seconds: float) -> None:
    """How many there are is not known, so of slow work it is said once how fast it is."""
    if seconds > _SLOW_PART_SECONDS:
        hours = 1e6 / count * seconds / 3600
        warn(
            f"This computes about {count / seconds:,.0f} a second, a million in {hours:.1f} h.",
            CostWarning,
            once=True,
        )


def _parts(task: Task[Item], items: Iterable[Any]) -> Iterator[list[Item]]:
    if isinstance(items, str):
        raise InputError("A single string was given: give a list, or any iterable.")
    try:
        source = iter(items)
    except TypeError:
        raise InputError(f"A {type(items).__name__} was given; pass an iterable.") from None
    first = 0
    while part := task.check(_some(source), first):
        yield part
        first += len(part)


def _some(source: Iterator[Any]) -> Iterator[Any]:
    """As many items as make a part: fewer, where they are long."""
    total = 0
    for item in islice(source, SHARD_TEXTS):
        yield item  # and is checked by whoever takes it
        total += sum(len(text) for text in flat([item]) if isinstance(text, str))
        if total > _SHARD_CHARACTERS:
            return


def _write(task: Task[Item], part: list[Item], values: Vectors, path: Path) -> None:
    if path.suffix.lower() != ".npy":
        write_table(path, task.columns(part, values))
        return
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, values)


def _join(
    target: Path, folder: Path, shards: Sequence[Path], write_none: Callable[[Path], None]
) -> None:
    """Write all shards as one file, without holding more than one of them."""
    try:
        with replacing(target, folder) as temporary:
            write_none(temporary)  # a header, in csv and tsv, as each of the shards has it
            if shards:
                joins = {".parquet": join_parquet, ".npy": _join_arrays}
                joins.get(target.suffix.lower(), _join_lines)(temporary, shards)
    except TableError as error:
        raise JobError(
            f"{str(error).rstrip('.')}. All shards are finished and safe: once this is mended (is "
            "the disk full?), the same command writes the file."
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
