"""A threshold from the texts' own similarities: most of the way from unrelated to equal."""

import numpy as np
from numpy.typing import NDArray

_SAMPLE = 2000
_FEW = 20
_WAY = 0.7


def suggested(rows: NDArray[np.float32]) -> tuple[float, str]:
    """The threshold, and a sentence that says how it came about.

    Two texts taken at random are hardly ever the same thing said twice, so their usual cosine is
    what this encoder gives to unrelated texts of this kind; it is near 0 for one encoder and 0.7
    for another. The threshold is a fixed part of the way from there to 1.
    """
    if len(rows) < _FEW:
        return _WAY, f"too few texts ({len(rows)}) to learn a threshold from: {_WAY} is taken"
    chosen = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)]
    unrelated = float(np.median((chosen @ chosen.T)[np.tri(len(chosen), k=-1, dtype=bool)]))
    found = round(unrelated + _WAY * (1 - unrelated), 3)
    return found, (
        f"two of these texts taken at random usually have a cosine of {unrelated:.2f}; {found:.3f} "
        f"is {_WAY:.0%} of the way from there to 1"
    )
