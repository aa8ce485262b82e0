"""How often an anchor is nearer to its positive than to its negative."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.metrics.checks import numbers


def triplet_accuracy(anchor: ArrayLike, positive: ArrayLike, negative: ArrayLike) -> float:
    """The share of margins above 0. Of an interval, `np.mean` over `triplet_margins(...) > 0`."""
    return float((triplet_margins(anchor, positive, negative) > 0).mean())


def triplet_margins(
    anchor: ArrayLike, positive: ArrayLike, negative: ArrayLike
) -> NDArray[np.float64]:
    """The cosine to the positive less the cosine to the negative, float64 (n,).

    All are float (n, dim); a vector of zeros has cosine 0 to any. Raises InputError where there
    are no rows, shapes that differ, or a NaN or an infinity.

        >>> triplet_margins([[1.0, 0.0]], [[2.0, 0.0]], [[0.0, 3.0]]).tolist()
        [1.0]
    """
    a, p, n = numbers(ndim=2, anchor=anchor, positive=positive, negative=negative)
    if not a.shape == p.shape == n.shape:
        raise InputError(
            f"the vectors have {a.shape[1]}, {p.shape[1]} and {n.shape[1]} dimensions: encode all "
            "with one model."
        )
    return _cosines(a, p) - _cosines(a, n)


def _cosines(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("nd,nd->n", a, b)
    lengths[lengths == 0] = 1
    return np.asarray(products / lengths)
