"""Where sememe keeps what it made or fetched once: models and activation ranges."""

import os
import sys
from pathlib import Path


def cache_directory() -> Path:
    """`SEMEME_CACHE`, or a folder `sememe` where the platform keeps caches; it may not exist yet.

    >>> cache_directory().is_absolute()
    True
    """
    if said := os.environ.get("SEMEME_CACHE"):
        return Path(said).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sememe"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "sememe"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "sememe"
