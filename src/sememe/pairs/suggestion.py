"""A threshold from the texts' own similarities: what is unusually near for these texts."""

import numpy as np
from numpy.typing import NDArray

from sememe.neighbors import nearest

_SAMPLE = 2000
_SPREADS = 3.0
_LEAST, _MOST = 0.6, 0.95


def suggested(rows: NDArray[np.float32]) -> tuple[float, str]:
    """The threshold, and a sentence that says how it came about.

    Each text of a sample has a nearest other text. Where most of those are merely of one topic,
    one that is three spreads nearer than they usually are is something else: the same said twice.
    (A robust outlier rule, median and median absolute deviation, of cosines made even by atanh.)
    """
    if len(rows) < 3:
        return 0.8, "too few texts to learn a threshold from: 0.8 is taken"
    chosen = np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)
    both = nearest(rows, 2, queries=rows[chosen]).similarity[:, 1]
    z = np.arctanh(np.clip(both, -0.999, 0.999))
    middle = float(np.median(z))
    spread = 1.4826 * float(np.median(np.abs(z - middle)))
    found = float(np.clip(np.tanh(middle + _SPREADS * spread), _LEAST, _MOST))
    return round(found, 3), (
        f"a text's nearest other text usually has a cosine of {np.tanh(middle):.2f}; "
        f"{found:.3f} is unusually near"
    )
