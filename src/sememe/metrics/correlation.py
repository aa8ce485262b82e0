"""How far two measurements of the same items agree: by their ranks, or on a line."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.metrics.checks import numbers


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rank correlation of x and y, float (n,); equal values share their mean rank.

    Raises InputError where there are no rows, different numbers of them, a NaN or an infinity, or
    only one value in x or y: no correlation is defined then.

        >>> spearman([0.1, 0.4, 0.9], [1, 2, 5])
        1.0
    """
    return _correlation(*map(_ranks, _varied(x, y)))


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's linear correlation; arguments and errors as in `spearman`."""
    return _correlation(*_varied(x, y))


def _varied(x: ArrayLike, y: ArrayLike) -> list[NDArray[np.float64]]:
    columns = numbers(x=x, y=y)
    for name, values in zip("xy", columns, strict=True):
        if np.ptp(values) == 0:
            raise InputError(
                f"{name} is {values[0]:g} in every row ({len(values)}): a correlation needs "
                "different values."
            )
    return columns


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    # Divided by the range first: squares of tiny differences would vanish.
    x, y = ((values - values.mean()) / np.ptp(values) for values in (x, y))
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1, 1))


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((count.cumsum() - (count - 1) / 2)[place])
