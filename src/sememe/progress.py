"""Progress bars: on a terminal or in a notebook by default, never in a pipe."""

import sys
from contextlib import AbstractContextManager, nullcontext

_SHOWN_FROM = 1000
_SIZE = (80, 24)


class Bar:
    """What a progress bar is used for; this one shows nothing."""

    def update(self, n: int) -> object:
        """Say that n more are done."""

    def set_postfix_str(self, s: str) -> object:
        """Show something behind the bar."""


def is_terminal(stream: object) -> bool:
    """Whether a stream is a terminal; no stream is none, nor one that cannot say."""
    isatty = getattr(stream, "isatty", None)
    try:
        return bool(isatty and isatty())
    except ValueError:  # it is closed
        return False


def progress_bar(
    total: int | None, unit: str, is_shown: bool | None = None
) -> AbstractContextManager[Bar]:
    """A bar on standard error with rate and time left; without a total, with the rate alone.

    By default only on a terminal or in a notebook, and from a total of 1,000.
    """
    if is_shown is None:
        is_watched = is_terminal(sys.stderr) or "ipykernel" in type(sys.stderr).__module__
        is_shown = is_watched and (total is None or total >= _SHOWN_FROM)
    if not is_shown or sys.stderr is None:  # pythonw and services have no console
        return nullcontext(Bar())
    from tqdm import tqdm  # on use: its import would be a tenth of the time to the first vector

    bar = tqdm(total=total, unit=f" {unit}", leave=False)
    if (bar.ncols or 0) < 0:  # a terminal that does not say how large it is: tqdm shows nothing
        bar.ncols, bar.nrows = _SIZE
    shown: AbstractContextManager[Bar] = bar
    return shown


def counted(number: int, noun: str) -> str:
    """A number of things, for people: 1 text, 2,000 texts."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
