"""Open what a checkpoint names, and only inside the checkpoint."""

import hashlib
import json
import mmap
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from sememe.errors import CheckpointError


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; CheckpointError says the file, line and column of what is wrong."""
    found = _load(path)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: a JSON object was expected, not a {type(found).__name__}.")
    return found


def read_json_list(path: Path) -> list[dict[str, Any]]:
    """Read a JSON list of objects; errors as `read_json`'s."""
    found = _load(path)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise CheckpointError(f"{path}: a JSON list of objects was expected.")
    return found


def _load(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise CheckpointError(f"{path}, {where}: not valid JSON ({error.msg}).") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error}).") from None


def lfs_pointer(path: Path) -> str:
    """What to do where a file is only git-lfs' pointer to the real one; "" where it is not."""
    with path.open("rb") as file:
        if not file.read(40).startswith(b"version https://git-lfs"):
            return ""
    return (
        f"{path} is a git-lfs pointer, not the file itself: run git lfs install, and then git lfs "
        f"pull in {path.parent}."
    )


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits; of one that did not change, from memory."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, _changed: int) -> str:
    if not size:  # nothing can be mapped
        return hashlib.sha256().hexdigest()
    # Mapped, it is hashed in one call that lets other threads run; in pieces, each would wait.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()


def inside(directory: Path, name: str, *, said_by: Path) -> Path:
    """Join a path that a checkpoint names, refusing any that leaves the checkpoint."""
    posix, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = posix.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    if outside or "\0" in name:
        raise CheckpointError(
            f"{said_by}: the path {name!r} leads out of the checkpoint; it is not followed."
        )
    return directory / posix
