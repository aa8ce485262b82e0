"""How long clustering will take: said before it begins, where it is more than a minute."""

import time

import numpy as np
from numpy.typing import NDArray

from sememe.costs import duration
from sememe.errors import CostWarning, warn
from sememe.neighbors import nearest
from sememe.progress import counted

_COSTLY = 20_000  # texts: below, it is less than a minute
_TIMED = 2000  # texts compared with one another, to know how fast this machine is
_LONG_SECONDS = 60
# What each text costs, in comparisons of two texts: within a third of the README's table of scale.
_NEIGHBORS, _PARTITION = 80_000, 17_000
_LINKAGE = 3  # comparisons of all with all


def warn_of_partitions(vectors: NDArray[np.float32], partitions: int) -> None:
    """Warn of the neighbours' search and of so many partitions of the graph."""
    work = len(vectors) * float(_NEIGHBORS + _PARTITION * partitions)
    _warn(vectors, work, f"To cluster {counted(len(vectors), 'text')} will take about {{}}.")


def warn_of_linkage(vectors: NDArray[np.float32]) -> None:
    """Warn of average linkage, which compares all texts with all, again and again."""
    _warn(
        vectors,
        _LINKAGE * float(len(vectors)) ** 2,
        f"threshold= compares all of {counted(len(vectors), 'text')} with one another, which will "
        "take about {}; granularity= takes much less.",
    )


def _warn(vectors: NDArray[np.float32], comparisons: float, message: str) -> None:
    if len(vectors) < _COSTLY:
        return
    seconds = min(_seconds(vectors[:_TIMED]) for _ in range(3)) * comparisons / _TIMED**2
    if seconds > _LONG_SECONDS:
        warn(message.format(duration(seconds)), CostWarning)


def _seconds(vectors: NDArray[np.float32]) -> float:
    started = time.perf_counter()
    nearest(vectors, 1)
    return time.perf_counter() - started
