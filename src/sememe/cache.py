"""Where sememe keeps models, activation ranges, and which notes it has shown."""

import os
import sys
from pathlib import Path


def cache_directory() -> Path:
    """`SEMEME_CACHE`, or a folder `sememe` where the platform keeps caches; it may not exist yet.

    >>> cache_directory().is_absolute()
    True
    """
    if directory := os.environ.get("SEMEME_CACHE"):
        return Path(directory).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sememe"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "sememe"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "sememe"


def first_time(name: str) -> bool:
    """Whether this is the first time on this machine: an empty file in the cache remembers it.

    Where none can be written, every time is the first.
    """
    path = cache_directory() / "notes" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
    except OSError:
        return not path.is_file()
    return True
