"""A run's state on disk, whole or not at all."""

import pickle
from pathlib import Path
from typing import Any

import torch

from sememe.errors import JobError, TableError
from sememe.tables import replacing


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the state.

    Raises:
        JobError: it cannot be written, as on a full disk; the state before is still there.
    """
    try:
        with replacing(path) as temporary:
            torch.save(state, temporary)
    except (TableError, RuntimeError) as error:  # the last is of torch's own writer, and unclear
        reason = str(error) if isinstance(error, TableError) else f"{path} cannot be written"
        raise JobError(
            f"{reason}. The state saved before is safe: once this is mended (is the disk full?), "
            "the same call goes on from there."
        ) from error


def load(path: Path) -> dict[str, Any] | None:
    """The state, or None where none was saved.

    Raises:
        JobError: it cannot be read.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise JobError(
            f"{path} cannot be read ({type(error).__name__}); delete {path.parent} to begin again."
        ) from error
    return state
