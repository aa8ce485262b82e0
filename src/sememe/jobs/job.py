"""A folder of shards with a manifest, worked on by one process at a time."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sememe.errors import JobError, TableError, is_unavailable
from sememe.tables import replacing

# Readers of a folder of parquet files pass over names that begin with _ or a dot.
_NAME = "_manifest.json"
_FORMAT = 1
_LOCK = ".lock"
_TEMPORARY = ".sememe-*"
_PART = "part-"

Write = Callable[[Path], None]
Item = str | tuple[str, ...]


@dataclass(frozen=True)
class Shard:
    """A finished file of the job's folder: how many texts, their hash, and the file's size."""

    file: str
    rows: int
    sha256: str
    bytes: int


class Job:
    """Shards of one output: those that are finished are kept, the others computed.

    A shard is identified by the hash of its texts, so an input that changed is noticed where it
    did. Every file appears by its final name only when it is whole.

    Example:
        >>> with Job.opened(folder, "encode", {"model": "m"}) as job:      # doctest: +SKIP
        ...     for number, texts in enumerate(parts):
        ...         if not job.has(number, texts):
        ...             job.write(number, texts, ".npy", lambda path: np.save(path, f(texts)))
        ...     job.finish(len(parts))
    """

    def __init__(self, folder: Path, kind: str, settings: dict[str, Any]) -> None:
        self.folder = folder
        self.resumed = 0
        """How many texts were finished before."""
        self._kind = kind
        self._settings = settings
        self._shards: list[Shard] = []
        self._is_finished = False
        for path in folder.glob(_TEMPORARY):  # of a process that was killed while it wrote
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if (folder / _NAME).is_file():
            self._resume()
            return
        # Not even a shard may be there: the first manifest is saved before any.
        foreign = sorted(path.name for path in folder.iterdir() if path.name != _LOCK)
        if foreign:
            raise JobError(
                f"{folder} holds files that are not this job's ({foreign[0]}, for one); give a "
                "folder that is new or empty."
            )
        try:
            self._save()
        except TableError as error:
            raise JobError(f"{error}.", unavailable=error.unavailable) from None

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, kind: str, settings: Mapping[str, Any]) -> "Iterator[Job]":
        """Begin a job in a new or empty folder, or resume the one in it.

        `settings` are JSON values, all that the output depends on beside the texts. Raises JobError
        if the folder is another job's or holds other files, if a setting changed (which), or if
        another process is at work there.
        """
        lock = FileLock(folder / _LOCK, timeout=0)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise JobError(
                f"Another process is at work in {folder}. Wait for it, or give another output.",
                unavailable=True,
            ) from None
        except OSError as error:
            raise JobError(
                f"{folder} cannot be written: {error.strerror}.", unavailable=is_unavailable(error)
            ) from None
        try:
            yield cls(folder, kind, dict(settings))
        finally:
            lock.release()
            if not (folder / _NAME).exists():
                (folder / _LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # somebody else's files are in it
                    folder.rmdir()

    def has(self, number: int, texts: Sequence[Item]) -> bool:
        """Whether a shard is finished; JobError if it was finished with other texts."""
        if number >= len(self._shards):
            if self._is_finished:
                raise self._changed(f"continues after text {self._rows():,}, where it ended before")
            return False
        shard = self._shards[number]
        if shard.sha256 != _sha256(texts):
            start = self._rows(number)
            raise self._changed(f"differs among the texts {start + 1:,} to {start + shard.rows:,}")
        path = self.folder / shard.file
        if not path.is_file() or path.stat().st_size != shard.bytes:
            return False
        self.resumed += shard.rows
        return True

    def write(self, number: int, texts: Sequence[Item], suffix: str, write: Write) -> None:
        """Write a shard by `write(path)`, whole or not at all; JobError if that fails."""
        path = self.folder / f"{_PART}{number:05d}{suffix}"
        try:
            write(path)
            shard = Shard(path.name, len(texts), _sha256(texts), path.stat().st_size)
            self._shards[number : number + 1] = [shard]
            self._save()
        except (TableError, OSError) as error:
            raise JobError(
                f"{str(error).rstrip('.')}. {self._rows():,} texts are safe in {self.folder}: once "
                "this is mended (is the disk full?), the same command resumes from there.",
                unavailable=is_unavailable(error),
            ) from error

    def finish(self, shards: int) -> list[Path]:
        """Note that the input has ended after so many shards; returns their files in order."""
        if shards < len(self._shards):
            raise self._changed(f"ends after text {self._rows(shards):,}, and continued before")
        if not self._is_finished:
            self._is_finished = True
            self._save()
        return [self.folder / shard.file for shard in self._shards]

    def remove(self) -> None:
        """Remove the job's own files, when the output stands outside its folder."""
        for shard in self._shards:
            (self.folder / shard.file).unlink(missing_ok=True)
        # Last: shards without a manifest would be somebody else's files.
        (self.folder / _NAME).unlink()

    def _save(self) -> None:
        with replacing(self.folder / _NAME) as temporary:
            manifest = {
                "format": _FORMAT,
                "kind": self._kind,
                "settings": self._settings,
                "shards": [asdict(shard) for shard in self._shards],
                "finished": self._is_finished,
            }
            temporary.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")

    def _resume(self) -> None:
        path = self.folder / _NAME
        remedy = f"Delete the folder {self.folder} to begin again, or give another output."
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            if manifest["format"] != _FORMAT:
                raise JobError(
                    f"{path}: this job has format {manifest['format']}, and this version of sememe "
                    f"resumes jobs of format {_FORMAT}. {remedy}"
                )
            self._shards = [Shard(**shard) for shard in manifest["shards"]]
            self._is_finished = bool(manifest["finished"])
            kind, settings = manifest["kind"], dict(manifest["settings"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JobError(f"{path} cannot be read ({error!r}). {remedy}") from None
        if kind != self._kind:
            raise JobError(
                f"{self.folder} holds a job of another kind ({kind}); give another output."
            )
        for name in sorted({*settings, *self._settings}):
            before, now = settings.get(name), self._settings.get(name)
            if before != now:
                raise JobError(
                    f"The job in {self.folder} was begun with {name} {before!r}, and now it is "
                    f"{now!r}. Resume it with the same, or delete the folder to begin again, or "
                    "give another output."
                )
        finished = {shard.file for shard in self._shards}
        for part in self.folder.glob(f"{_PART}*"):
            if part.name not in finished:  # the process was killed before it was noted
                part.unlink()

    def _rows(self, shards: int | None = None) -> int:
        return sum(shard.rows for shard in self._shards[:shards])

    def _changed(self, how: str) -> JobError:
        return JobError(
            f"The input {how}: it is not the one that the job in {self.folder} was begun with. "
            "Give the same input to resume it, or delete the folder to begin again, or give "
            "another output."
        )


def flat(items: Iterable[Any]) -> Iterator[Any]:
    """The texts of items that are texts, or tuples or lists of texts."""
    for item in items:
        if isinstance(item, Sequence) and not isinstance(item, str):
            yield from item
        else:
            yield item


def _sha256(items: Sequence[Item]) -> str:
    digest = hashlib.sha256()
    for text in flat(items):
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return digest.hexdigest()
