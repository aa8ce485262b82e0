"""A folder of shards with a manifest, worked on by one process at a time."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
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


@dataclass
class Manifest:
    """What kind of job it is, all that its output depends on, and its finished shards in order."""

    kind: str
    settings: dict[str, Any]
    shards: list[Shard] = field(default_factory=list)
    finished: bool = False

    def save(self, folder: Path) -> None:
        """Replace the file, whole or not at all."""
        with replacing(folder / _NAME) as temporary:
            description = {"format": _FORMAT, **asdict(self)}
            temporary.write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


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

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self._manifest = manifest
        self.resumed = 0
        """How many texts were finished before."""

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
            yield cls(folder, _manifest(folder, kind, dict(settings)))
        finally:
            lock.release()
            if not (folder / _NAME).exists():
                (folder / _LOCK).unlink(missing_ok=True)
                with suppress(OSError):  # somebody else's files are in it
                    folder.rmdir()

    def has(self, number: int, texts: Sequence[Item]) -> bool:
        """Whether a shard is finished; JobError if it was finished with other texts."""
        if number >= len(self._manifest.shards):
            if self._manifest.finished:
                raise self._changed(f"continues after text {self._rows():,}, where it ended before")
            return False
        shard = self._manifest.shards[number]
        if shard.sha256 != _sha256(texts):
            start = self._rows(number)
            raise self._changed(f"differs among the texts {start + 1:,} to {start + shard.rows:,}")
        path = self.folder / shard.file
        if not path.is_file() or path.stat().st_size != shard.bytes:
            return False
        self.resumed += shard.rows
        return True

    def write(self, number: int, texts: Sequence[Item], suffix: str, write: Write) -> None:
        """Write a shard: `write` is given the path, and makes the file whole or not at all.

        Raises JobError if it cannot be written, as on a full disk; what is finished stays so.
        """
        path = self.folder / f"{_PART}{number:05d}{suffix}"
        try:
            write(path)
            shard = Shard(path.name, len(texts), _sha256(texts), path.stat().st_size)
            self._manifest.shards[number : number + 1] = [shard]
            self._manifest.save(self.folder)
        except (TableError, OSError) as error:
            raise JobError(
                f"{str(error).rstrip('.')}. {self._rows():,} texts are safe in {self.folder}: once "
                "this is mended (is the disk full?), the same command resumes from there.",
                unavailable=is_unavailable(error),
            ) from error

    def finish(self, shards: int) -> list[Path]:
        """Note that the input has ended after so many shards; returns their files in order.

        Raises JobError if there were more of them before.
        """
        if shards < len(self._manifest.shards):
            raise self._changed(f"ends after text {self._rows(shards):,}, and continued before")
        if not self._manifest.finished:
            self._manifest.finished = True
            self._manifest.save(self.folder)
        return [self.folder / shard.file for shard in self._manifest.shards]

    def remove(self) -> None:
        """Remove the job's own files, when the output stands outside its folder."""
        for shard in self._manifest.shards:
            (self.folder / shard.file).unlink(missing_ok=True)
        # Last: shards without a manifest would be somebody else's files.
        (self.folder / _NAME).unlink()

    def _rows(self, shards: int | None = None) -> int:
        return sum(shard.rows for shard in self._manifest.shards[:shards])

    def _changed(self, how: str) -> JobError:
        return JobError(
            f"The input {how}: it is not the one that the job in {self.folder} was begun with. "
            "Give the same input to resume it, or delete the folder to begin again, or give "
            "another output."
        )


def _manifest(folder: Path, kind: str, settings: dict[str, Any]) -> Manifest:
    """The folder's manifest, checked, or a new one; files that it does not list are swept away."""
    for path in folder.glob(_TEMPORARY):  # of a process that was killed while it wrote
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if not (folder / _NAME).is_file():
        # Not even a shard may be there: the first manifest is saved before any.
        foreign = sorted(path.name for path in folder.iterdir() if path.name != _LOCK)
        if foreign:
            raise JobError(
                f"{folder} holds files that are not this job's ({foreign[0]}, for one); give a "
                "folder that is new or empty."
            )
        manifest = Manifest(kind, settings)
        try:
            manifest.save(folder)
        except TableError as error:
            raise JobError(f"{error}.", unavailable=error.unavailable) from None
        return manifest
    manifest = _read_manifest(folder)
    if manifest.kind != kind:
        raise JobError(
            f"{folder} holds a job of another kind ({manifest.kind}); give another output."
        )
    for name in sorted({*settings, *manifest.settings}):
        before, now = manifest.settings.get(name), settings.get(name)
        if before != now:
            raise JobError(
                f"The job in {folder} was begun with {name} {before!r}, and now it is {now!r}. "
                "Resume it with the same, or delete the folder to begin again, or give another "
                "output."
            )
    finished = {shard.file for shard in manifest.shards}
    for part in folder.glob(f"{_PART}*"):  # written, but the process was killed before it was noted
        if part.name not in finished:
            part.unlink()
    return manifest


def _read_manifest(folder: Path) -> Manifest:
    path = folder / _NAME
    remedy = f"Delete the folder {folder} to begin again, or give another output."
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        if description["format"] != _FORMAT:
            raise JobError(
                f"{path}: this job has format {description['format']}, and this version of sememe "
                f"resumes jobs of format {_FORMAT}. {remedy}"
            )
        shards = [Shard(**shard) for shard in description["shards"]]
        settings = dict(description["settings"])
        return Manifest(description["kind"], settings, shards, bool(description["finished"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path} cannot be read ({error!r}). {remedy}") from None


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
