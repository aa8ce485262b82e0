"""Progress bars: on a terminal by default, never in a pipe."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

_SHOWN_FROM = 1000
_SIZE = (80, 24)


class Bar(Protocol):
    """What a progress bar is used for."""

    def update(self, n: int) -> object:
        """Say that n more are done."""
        ...

    def set_postfix_str(self, s: str) -> object:
        """Show something behind the bar."""
        ...


class _Silent:
    def update(self, n: int) -> None: ...

    def set_postfix_str(self, s: str) -> None: ...


def is_terminal(stream: object) -> bool:
    """Whether a stream is a terminal; no stream is none, nor one that cannot say."""
    isatty = getattr(stream, "isatty", None)
    try:
        return bool(isatty and isatty())
    except ValueError:  # it is closed
        return False


def progress_bar(
    total: int | None, unit: str, progress: bool | None = None
) -> AbstractContextManager[Bar]:
    """A bar on standard error with rate and time left; without a total, with the rate alone.

    With `progress=None`, on a terminal and from 1,000 on.
    """
    if progress is None:
        progress = is_terminal(sys.stderr) and (total is None or total >= _SHOWN_FROM)
    if not progress or sys.stderr is None:  # pythonw and services have no console
        return nullcontext(_Silent())
    from tqdm import tqdm  # on use: its import would be a tenth of the time to the first vector

    bar = tqdm(total=total, unit=f" {unit}", leave=False)
    if (bar.ncols or 0) < 0:  # a terminal that does not say how large it is: tqdm shows nothing
        bar.ncols, bar.nrows = _SIZE
    shown: AbstractContextManager[Bar] = bar
    return shown


def counted(number: int, noun: str) -> str:
    """A number of things, for people: 1 text, 2,000 texts."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
