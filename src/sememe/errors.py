"""Typed exceptions and warnings: what sememe raises when something is wrong.

An error that the user can mend is a `SememeError`; the command line prints it as one line and
exits with code 2, or with 1 where nothing is wrong with the input. A notice (a guess, a truncation,
a choice made for the user) is a `SememeWarning`, so that it can be filtered or turned into an error
with the standard `warnings`.

    >>> import warnings, sememe
    >>> warnings.simplefilter("error", sememe.errors.TruncationWarning)   # doctest: +SKIP
"""

import errno
import os
import sys
import warnings
from pathlib import Path
from types import FrameType

_PACKAGE = str(Path(__file__).parent) + os.sep


class SememeError(Exception):
    """Something the user can mend: the message says what was wrong, where, and what to do.

    Attributes:
        unavailable: nothing is wrong with the input: the disk is full, another process is at work
            or the network is down. The same call works once that has passed.
    """

    unavailable = False

    def __init__(self, message: object = "", *, unavailable: bool | None = None) -> None:
        super().__init__(message)
        if unavailable is not None:
            self.unavailable = unavailable


class InputError(SememeError, ValueError):
    """A text, an argument or an option that cannot be used (names the row or the argument)."""


class TableError(SememeError, ValueError):
    """A file of texts that cannot be read or written (names the file, line and column)."""


class JobError(SememeError, RuntimeError):
    """A long job that cannot begin or resume here (names the folder, and what to do)."""


class StoreError(SememeError, RuntimeError):
    """An index that cannot be opened, read or written (names it, and what to do)."""


class StoreMissing(StoreError, LookupError):
    """There is no index at a place."""


class CheckpointError(SememeError, ValueError):
    """A model directory that cannot be read or written (names the file, and what is in it)."""


class ModelNotFound(SememeError, LookupError):
    """No directory, installed package, cache or reachable Hub has the model."""


class MissingExtra(SememeError, ImportError):
    """A feature needs an optional dependency: the message is the `pip install` that brings it."""


class BrokenInstall(SememeError, ImportError):
    """An optional dependency is installed but cannot be imported; `__cause__` says why."""

    unavailable = True


class SememeWarning(UserWarning):
    """Something was decided, guessed or shortened for the user."""


class TruncationWarning(SememeWarning):
    """Texts were longer than the model reads, and were cut."""


class GuessWarning(SememeWarning):
    """Something the checkpoint does not say was guessed (such as its pooling)."""


class UntrainedWarning(SememeWarning):
    """A vector was asked for that the model was never trained to give a meaning."""


class ChoiceWarning(SememeWarning):
    """`auto` chose something (such as a precision) for the user."""


class BlankWarning(SememeWarning):
    """Texts were blank, and left out."""


class CostWarning(SememeWarning):
    """Work that will take more than a minute: says about how long, before it is done."""


def reason(error: BaseException) -> str:
    """The first line of an error, for the middle of a sentence.

    >>> reason(InputError("a is 2; give 1."))
    'a is 2; give 1'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(". ")


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_UNREACHABLE = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}

_SIGNS = (f"(os error {errno.ENOSPC})", " requested and ")  # of libraries in Rust, and of numpy


def is_unavailable(error: BaseException) -> bool:
    """Whether an error is not the input's fault: a full disk or quota, no memory, no connection.

    >>> [is_unavailable(OSError(code, "")) for code in (errno.ENOSPC, errno.EACCES)]
    [True, False]
    """
    return (
        isinstance(error, ConnectionError | TimeoutError)
        or getattr(error, "unavailable", False) is True
        or getattr(error, "errno", None) in _FULL | _UNREACHABLE
        or any(sign in str(error) for sign in _SIGNS)
    )


_warned: dict[str, object] = {}


def warn(message: str, category: type[SememeWarning], *, once: bool = False) -> None:
    """Warn from the caller's own line; with `once`, the same message is given once a process."""
    if once:
        # In one step, without a lock, which a forked process could inherit locked.
        token = object()
        if _warned.setdefault(message, token) is not token:
            return
    # From the user's own line: so many frames lie in sememe.
    frame: FrameType | None = sys._getframe()
    inside = 0
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, inside = frame.f_back, inside + 1
    warnings.warn(message, category, stacklevel=inside + 1)
