"""Rows of texts in unlinked files, read back by number: data may be larger than memory."""

import json
import mmap
import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from tempfile import TemporaryFile, gettempdir

import numpy as np

from sememe.errors import JobError, is_unavailable


class Spool:
    """Written block by block, then sealed and read; the files go with the process.

    Once sealed it has `lines`, int64 (rows,), each row's number in its source, and `keys`, int64
    (rows, columns), a hash of each text that is the same in every process.
    """

    def __init__(self, columns: int, folder: str | os.PathLike[str] | None) -> None:
        self._folder, self._width, self._end = folder or gettempdir(), columns + 2, 0
        with self._room():
            self._records = TemporaryFile(dir=folder)  # noqa: SIM115
            self._index = TemporaryFile(dir=folder)  # noqa: SIM115

    def write(self, rows: Iterable[tuple[str, ...]], lines: Iterable[int]) -> None:
        """Add rows of texts, and the number of each in its source."""
        with self._room():
            for texts, line in zip(rows, lines, strict=True):
                record = json.dumps(texts, ensure_ascii=False).encode() + b"\n"
                self._records.write(record)
                self._index.write(array("q", [self._end, line, *map(_key, texts)]).tobytes())
                self._end += len(record)

    def seal(self) -> None:
        """All rows are there, one at the least."""
        with self._room(), self._records, self._index:  # a map outlives its file
            self._records.flush()
            self._index.flush()
            self._bytes = mmap.mmap(self._records.fileno(), 0, access=mmap.ACCESS_READ)
            index = np.memmap(self._index, np.int64, "r").reshape(-1, self._width)
        self._starts, self.lines, self.keys = index[:, 0], index[:, 1], index[:, 2:]

    def texts(self, row: int) -> tuple[str, ...]:
        """The texts of one row; safe from several threads."""
        start = int(self._starts[row])
        return tuple(json.loads(self._bytes[start : self._bytes.find(b"\n", start)]))

    @contextmanager
    def _room(self) -> Iterator[None]:
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
