"""Vectors of any number of texts on disk: shard by shard, each computed on its own.

A vector's last bits depend on the texts that it is padded with. Shards are cut by the texts alone
and computed apart, so whoever is killed and goes on ends with the same bytes.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sememe.encoders.truncation import Cuts
from sememe.encoders.vectors import Vectors
from sememe.errors import InputError, JobError, TableError
from sememe.jobs import Job
from sememe.tables import join_parquet, output_format, replacing, write_table
from sememe.text import check_texts

SHARD_TEXTS, _SHARD_CHARACTERS = 16_384, 8_000_000

Encode = Callable[[list[str], int], tuple[Vectors, Cuts]]


@dataclass(frozen=True)
class Encoded:
    """What is on disk now.

    Attributes:
        path: the file or the folder.
        rows: how many texts.
        dim: how many numbers a text (bytes, where the vectors are binary).
        found: how many of the texts were found finished, and not computed again.
    """

    path: Path
    rows: int
    dim: int
    found: int


def check_output(path: str | os.PathLike[str]) -> str:
    """The form that a path asks for: .parquet, .npy, or "" for a folder of parquet shards.

    Raises:
        InputError: another suffix.
        TableError: nothing can be written there.
        MissingExtra: parquet without pyarrow.
    """
    target = Path(path)
    suffix = "" if target.is_dir() else target.suffix.lower()
    if suffix not in (".parquet", ".npy", ""):
        raise InputError(f"{path}: vectors go into .parquet, .npy, or a folder (no suffix).")
    if suffix != ".npy":
        output_format(target.absolute().parent / "any.parquet" if not suffix else target)
    elif not target.absolute().parent.is_dir():
        raise TableError(f"{path} cannot be written: there is no folder {target.parent}")
    return suffix


def to_disk(
    encode: Encode,
    texts: Iterable[str],
    path: str | os.PathLike[str],
    settings: Mapping[str, Any],
) -> tuple[Encoded, Cuts]:
    """Encode texts shard by shard, or only those that are not finished, and join the shards."""
    form, target = check_output(path), Path(path)
    folder = target.with_name(target.name + ".job") if form else target
    settings = {**settings, "form": form, "shard": [SHARD_TEXTS, _SHARD_CHARACTERS]}
    with Job.opened(folder, "encode", settings) as job:
        rows, cuts, shards = _shards(job, encode, texts, ".npy" if form == ".npy" else ".parquet")
        dim = _dim(shards, encode)
        if form:
            _join(target, shards, dim, encode)
            job.remove()
    return Encoded(target, rows, dim, job.found), cuts


def _shards(
    job: Job, encode: Encode, texts: Iterable[str], suffix: str
) -> tuple[int, Cuts, list[Path]]:
    number, rows, cuts = -1, 0, Cuts()
    written: Future[None] | None = None
    with ThreadPoolExecutor(1) as writer:
        for number, part in enumerate(_parts(texts)):
            if not job.has(number, part):
                vectors, cut = encode(part, rows)  # while the part before is being written
                cuts += cut
                write = _writer(part, vectors, suffix)
                if written:
                    written.result()
                written = writer.submit(job.write, number, part, suffix, write)
            rows += len(part)
        if written:
            written.result()
    return rows, cuts, job.finish(number + 1)


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    if isinstance(texts, str):
        raise InputError("texts is one string: give a list of texts, or any iterable of them.")
    try:
        source = iter(texts)
    except TypeError:
        raise InputError(f"texts is a {type(texts).__name__}; pass an iterable of str.") from None
    first = 0
    while part := check_texts(_some(source), first):
        yield part
        first += len(part)


def _some(source: Iterator[str]) -> Iterator[str]:
    """As many texts as make a part: fewer, where they are long."""
    characters = 0
    for text in islice(source, SHARD_TEXTS):
        yield text
        characters += len(text) if isinstance(text, str) else 0
        if characters > _SHARD_CHARACTERS:
            return


def _writer(texts: list[str], vectors: Vectors, suffix: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        if suffix == ".parquet":
            write_table(path, {"text": texts, "vector": vectors})
            return
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, vectors)

    return write


def _dim(shards: Sequence[Path], encode: Encode) -> int:
    if not shards:
        return int(encode([], 0)[0].shape[1])
    if shards[0].suffix == ".npy":
        return int(np.load(shards[0], mmap_mode="r").shape[1])
    from sememe.tables.parquet import require_pyarrow

    return int(require_pyarrow().parquet.read_schema(shards[0]).field("vector").type.list_size)


def _join(target: Path, shards: Sequence[Path], dim: int, encode: Encode) -> None:
    """Write all shards as one file, without holding more than one of them."""
    try:
        with replacing(target) as temporary:
            if not shards:
                _writer([], encode([], 0)[0], target.suffix.lower())(temporary)
            elif target.suffix.lower() == ".parquet":
                join_parquet(temporary, shards)
            else:
                _join_arrays(temporary, shards, dim)
    except TableError as error:
        raise JobError(
            f"{str(error).rstrip('.')}. All shards are finished and safe: once this is mended (is "
            "the disk full?), the same command writes the file."
        ) from error


def _join_arrays(path: Path, shards: Sequence[Path], dim: int) -> None:
    headers = [np.load(shard, mmap_mode="r") for shard in shards]
    header = {
        "descr": np.lib.format.dtype_to_descr(headers[0].dtype),
        "fortran_order": False,
        "shape": (sum(map(len, headers)), dim),
    }
    del headers  # mapped files that are read count as memory
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for shard in shards:
            file.write(np.load(shard).data)
