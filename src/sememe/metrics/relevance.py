"""How well scores part the relevant items from the others. Equal scores stand or fall together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.metrics.checks import numbers


class BestF1(NamedTuple):
    """The highest F1 of any threshold, and that threshold: this score or a higher one is a yes."""

    f1: float
    threshold: float


def average_precision(scores: ArrayLike, relevant: ArrayLike) -> float:
    """The mean, over the relevant items, of the precision at the threshold that lets each in.

    `scores` are float (n,), `relevant` bool (n,) or 0 and 1. Raises InputError where there are no
    rows, different numbers of them, a score that is not finite, or only relevant items or none.

        >>> average_precision([0.9, 0.8, 0.1], [1, 0, 1])
        0.8333333333333333
    """
    _, taken, found = _by_threshold(scores, relevant)
    return float((np.diff(found, prepend=0) * found / taken).sum() / found[-1])


def best_f1(scores: ArrayLike, relevant: ArrayLike) -> BestF1:
    """The best threshold for `scores`, of equals the highest; the rest as `average_precision`."""
    thresholds, taken, found = _by_threshold(scores, relevant)
    values = 2 * found / (taken + found[-1])
    best = values.argmax()
    return BestF1(float(values[best]), float(thresholds[best]))


def _by_threshold(scores: ArrayLike, relevant: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """Each different score from the highest, how many items reach it, how many relevant ones."""
    values, truth = numbers(scores=scores, relevant=relevant)
    bad = np.flatnonzero((truth != 0) & (truth != 1))
    if len(bad):
        raise InputError(f"row {bad[0]} of relevant is {truth[bad[0]]:g}: give 0 or 1.")
    if np.ptp(truth) == 0:
        raise InputError(
            f"relevant is {truth[0]:g} in every row ({len(truth)}): give relevant items and others."
        )
    lowered, place = np.unique(-values, return_inverse=True)
    return -lowered, np.bincount(place).cumsum(), np.bincount(place, weights=truth).cumsum()
