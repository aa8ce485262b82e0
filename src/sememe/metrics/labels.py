"""How well predicted labels match the true ones. The prediction comes first, the truth second."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sememe.metrics.checks import labels


def accuracy(predicted: ArrayLike, gold: ArrayLike) -> float:
    """The share of items whose predicted label is the true one.

    Both are (n,), of text or whole numbers. Raises InputError where there are no rows, different
    numbers of them, or a missing label (None or NaN).
    """
    _, (found, true) = labels(predicted=predicted, gold=gold)
    return float((found == true).mean())


def f1(predicted: ArrayLike, gold: ArrayLike) -> float:
    """Macro F1, the mean of `f1_by_class`; arguments and errors as in `accuracy`."""
    return float(np.mean(list(f1_by_class(predicted, gold).values())))


def f1_by_class(predicted: ArrayLike, gold: ArrayLike) -> dict[Any, float]:
    """F1 of each class that is predicted or true of any item, sorted; the rest as in `accuracy`.

    >>> f1_by_class(["yes", "no", "no"], ["yes", "yes", "no"])
    {'no': 0.6666666666666666, 'yes': 0.6666666666666666}
    """
    classes, (found, true) = labels(predicted=predicted, gold=gold)
    right, *sides = (
        np.bincount(codes, minlength=len(classes)) for codes in (true[found == true], found, true)
    )
    return dict(zip(classes.tolist(), (2 * right / sum(sides)).tolist(), strict=True))
