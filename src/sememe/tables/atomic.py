"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sememe.errors import TableError, is_unavailable


@contextmanager
def replacing(path: str | os.PathLike[str], folder: Path | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes that name when the block ends well.

    If the block raises, or the process dies, whatever stood at `path` is still there unchanged.
    The temporary name keeps the suffix, and a link is followed to the file that it names. With
    `folder`, on the same disk, it is there: somebody sweeps that folder after a death.
    Raises TableError where nothing can be written.

    >>> with replacing("notes.txt") as temporary:   # doctest: +SKIP
    ...     temporary.write_text("whole or not at all")
    """
    check_destination(path)
    target = Path(path).resolve()
    name = f".sememe-{secrets.token_hex(8)}{target.suffix}"
    temporary = (folder or target.parent).resolve() / name
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise TableError(
            f"{path} cannot be written: {error.strerror or error}",
            unavailable=is_unavailable(error),
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_destination(path: str | os.PathLike[str]) -> None:
    """Raise TableError unless `path` is a file that may be replaced, or could be a new one."""
    target = Path(path)
    try:
        if not target.parent.is_dir():
            raise TableError(f"{path} cannot be written: there is no folder {target.parent}")
        if target.exists() and not target.is_file():
            raise TableError(f"{path} cannot be written: it is a folder or a device, not a file")
        if target.exists() and not os.access(target, os.W_OK):
            raise TableError(f"{path} cannot be written: it is there and read-only")
        if not os.access(target.resolve().parent, os.W_OK | os.X_OK):
            raise TableError(f"{path} cannot be written: you may not write into {target.parent}")
    except OSError as error:
        raise TableError(f"{path} cannot be written: {error.strerror or error}") from error
