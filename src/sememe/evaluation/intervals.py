"""How sure a figure is: intervals and paired tests by random halves of the items.

The statistic is computed again of many halves (Shao and Wu, 1989): of a mean, halves vary as the
mean of all items does from one sample to the next. A statistic is any function of arrays with a row
an item, such as `spearman`, or `np.mean` over a value for each item. Halves for which it is NaN or
raises an InputError (only one class, say) are left out.

Only the deviation of the halves is used, with Student's t. The bootstrap draws items twice, and
what is drawn twice is in one group with itself: its percentiles and its deviation are too narrow
(docs/decisions/evaluation.md has how often each kind of interval held the truth).
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit  # what scipy.stats.t calls; its import takes long

from sememe.errors import InputError

Statistic = Callable[..., Any]
RESAMPLES = 1000
_DRAWN_AT_ONCE = 1_000_000  # rows, for means


@dataclass(frozen=True)
class Interval:
    """A figure, and where it lies with the confidence that was chosen."""

    value: float
    low: float
    high: float

    def with_range(self) -> str:
        """In points, "81.2 (80.3 to 82.1)", or "81.2" where there is no interval.

        >>> Interval(0.812, 0.803, 0.821).with_range()
        '81.2 (80.3 to 82.1)'
        >>> Interval(-1e-9, -1e-4, 0.01).with_range()
        '0.0 (0.0 to 1.0)'
        """
        span = f" ({100 * self.low:z.1f} to {100 * self.high:z.1f})" if self.low == self.low else ""
        return f"{100 * self.value:z.1f}{span}"

    def with_margin(self) -> str:
        """In points with half the interval, "81.2 ± 0.9", or "81.2" where there is none."""
        margin = f" ± {50 * (self.high - self.low):.1f}" if self.low == self.low else ""
        return f"{100 * self.value:z.1f}{margin}"


@dataclass(frozen=True)
class Comparison:
    """The first system's figure less the second's, its interval, and the two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def better(self) -> bool:
        """The first is better: the interval lies above 0, and there are enough items to say so."""
        return self.low > 0 and self.p < 0.05

    @property
    def worse(self) -> bool:
        """The first is worse, as surely."""
        return self.high < 0 and self.p < 0.05

    def with_range(self) -> str:
        """In points, "difference +1.2 (+0.3 to +2.1), p = 0.009"."""
        value, low, high = (f"{100 * each:+.1f}" for each in (self.difference, self.low, self.high))
        return f"difference {value} ({low} to {high}), p = {self.p:.2g}"


@dataclass(frozen=True)
class Drawn:
    """A figure, and what it is of samples drawn from its items.

    Attributes:
        value: of all items.
        draws: float64 (resamples,), NaN where the statistic is not defined.
        items: how many there are.
        scale: how much more the figure varies than the draws do.
    """

    value: float
    draws: NDArray[np.float64]
    items: int
    scale: float

    def interval(self, confidence: float = 0.95) -> Interval:
        """The figure with its interval.

        Raises InputError where the statistic is not defined for all items, or for two thirds of
        the draws.
        """
        reach = _quantile(confidence, self.items) * self._deviation(self.draws)
        return Interval(self.value, self.value - reach, self.value + reach)

    def bounded(self, least: float, confidence: float = 0.95) -> Interval:
        """The same of a figure from -1 to 1, in Fisher's z: near 1 it varies less above than below.

        `least` is a deviation that is always assumed: where all answers are right, samples do not
        vary at all, but the next answer may be wrong.
        """
        deviation = self._deviation(self.draws)
        quantile = _quantile(confidence, self.items)
        if deviation <= least or not abs(self.value) < 1:
            low, high = self.value - quantile * least, self.value + quantile * least
        else:
            reach = quantile * deviation / (1 - self.value**2)
            low, high = np.tanh(np.arctanh(self.value) + np.array([-reach, reach])).tolist()
        return Interval(self.value, max(low, self.floor), min(high, 1.0))

    @property
    def floor(self) -> float:
        """No interval goes below it: 0 for what is never negative."""
        return min(0.0, float(np.nanmin(self.draws)))

    def against(self, other: "Drawn", confidence: float = 0.95, least: float = 0.0) -> Comparison:
        """How much better it is than another system's figure of the same draws.

        p is at least 2 ** (1 - n), as that of n coins which all fall on one side: draws of a few
        items that agree cannot differ.
        """
        difference, degrees = self.value - other.value, max(self.items - 1, 1)
        deviation = max(self._deviation(self.draws - other.draws), least)
        reach = _quantile(confidence, self.items) * deviation
        p = 2 * float(stdtr(degrees, -abs(difference) / deviation)) if deviation else 0.0
        p = max(p, 2.0 ** (1 - self.items)) if difference else 1.0
        return Comparison(difference, difference - reach, difference + reach, min(1.0, p))

    def _deviation(self, draws: NDArray[np.float64]) -> float:
        defined = draws[np.isfinite(draws)]
        if not np.isfinite(self.value) or 3 * len(defined) <= len(draws):
            raise InputError(
                f"the statistic is {self.value:g} for all {self.items} rows, and defined for "
                f"{len(defined)} of {len(draws)} draws of them: give more rows, or rows that "
                "differ more."
            )
        return float(defined.std() * self.scale)


def draw(
    statistic: Statistic,
    *arrays: ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
    weights: ArrayLike | None = None,
) -> Drawn:
    """`statistic(*arrays)` of all rows and of samples of them.

    Row i of all arrays is item i. The same seed draws the same items, so that two systems can be
    compared. With `weights` (n,), the inverse of the chances by which the items came to be there,
    n items are drawn with replacement, which makes up for that; the figure does not.

    Raises InputError for fewer than 2 rows, different numbers of them, a NaN or an infinity, and
    no resamples.
    """
    columns = [np.asarray(column) for column in arrays]
    _check(columns, resamples)
    random, n = np.random.default_rng(seed), len(columns[0])
    half, chances = n // 2, None if weights is None else np.divide(weights, np.sum(weights))

    def sample() -> NDArray[np.int64]:
        return random.permutation(n)[:half] if chances is None else random.choice(n, n, p=chances)

    draws = np.full(resamples, np.nan)
    at_once = max(1, _DRAWN_AT_ONCE // n) if statistic is np.mean else 1
    for i in range(0, resamples, at_once):
        block = draws[i : i + at_once]
        rows = np.array([sample() for _ in block])
        with suppress(InputError):
            if statistic is np.mean:
                block[:] = columns[0][rows].reshape(len(rows), -1).mean(1)
            else:
                block[0] = statistic(*(column[rows[0]] for column in columns))
    scale = half / (n - half) if chances is None else n / (n - 1)
    return Drawn(float(statistic(*columns)), draws, n, scale**0.5)


def interval(
    statistic: Statistic,
    *arrays: ArrayLike,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """`statistic(*arrays)` with its interval; errors as in `draw`, and a confidence out of range.

    >>> interval(np.mean, [1, 1, 1, 0]).value
    0.75
    """
    return draw(statistic, *arrays, resamples=resamples, seed=seed).interval(confidence)


def paired_test(
    statistic: Statistic,
    first: ArrayLike,
    second: ArrayLike,
    *gold: ArrayLike,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Two systems on the same items: `statistic(first, *gold) - statistic(second, *gold)`.

    Errors as in `interval`.

        >>> paired_test(np.mean, [1, 1, 1, 0], [1, 1, 1, 0]).p
        1.0
    """
    one, other = (
        draw(statistic, scores, *gold, resamples=resamples, seed=seed) for scores in (first, second)
    )
    return one.against(other, confidence)


def _quantile(confidence: float, items: int) -> float:
    if not 0 < confidence < 1:
        raise InputError(f"confidence={confidence}: give one between 0 and 1, such as 0.95.")
    return float(stdtrit(max(items - 1, 1), (1 + confidence) / 2))


def _check(arrays: Sequence[NDArray[Any]], resamples: int) -> None:
    """InputError for arrays that do not fit each other, or options out of range."""
    names = [f"array {i}" for i in range(1, len(arrays) + 1)]
    n = len(arrays[0])
    if len({*map(len, arrays)}) > 1:
        counts = ", ".join(f"{name} has {len(x)}" for name, x in zip(names, arrays, strict=True))
        raise InputError(f"the numbers of rows differ ({counts}): give each a row for every item.")
    if n == 0:
        raise InputError(f"{' and '.join(names)}: no rows, so there is nothing to measure.")
    for name, array in zip(names, arrays, strict=True):
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = np.unique(np.nonzero(~np.isfinite(array))[0])
            more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
            raise InputError(
                f"row {bad[0]} of {name} is not a finite number{more}: leave it out or mend it."
            )
    if n < 2 or resamples < 1:
        raise InputError(f"{n} rows, resamples={resamples}: give at least 2 rows and 1 resample.")
