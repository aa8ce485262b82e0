"""Measuring candidates on growing parts of a sample, until more would not change the answer.

Successive elimination (Even-Dar, Mannor and Mansour 2006) with paired bounds: all candidates
answer the same items, of which there are twice as many in each round. A candidate that is surely
worse than another that costs no more is dropped, and so is one that is hopeless. Each measurement
is kept on disk as soon as it is made, so a killed run loses only the one it was in.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.cache import cache_directory
from sememe.errors import InputError, SememeWarning, reason, warn
from sememe.evaluation.bootstrap import Comparison, Interval
from sememe.evaluation.measures import Measurement

Floats = npt.NDArray[np.float64]

FIRST_ROUND = 64
"""Items that all candidates are measured on."""

SURE = 0.95
"""Of all decisions of a run together: that no candidate is dropped that should not be."""

EQUAL = 0.90
"""Nothing tells a candidate from the best where this interval of their difference holds 0."""

HOPELESS = 0.10
"""So much worse than the best, surely, a candidate is dropped whatever it costs."""

POINT = 0.01
_RESAMPLES = 400
_LEAST = 0.5  # items that chance moves, whatever was seen
_FILE = "measurements-v1.sqlite"


@dataclass(frozen=True)
class Measured:
    """A candidate's answers to the first items of a sample, and how far chance could move them.

    Attributes:
        measurement: its figure.
        draws: float64 (resamples,), the figure of samples drawn with replacement; the same items
            are drawn for all candidates.
        items: how many it answered.
        is_weighted: whether the draws make up for how the items were chosen.
    """

    measurement: Measurement
    draws: Floats
    items: int
    is_weighted: bool = False

    @classmethod
    def of(cls, measurement: Measurement, weights: npt.ArrayLike | None = None) -> "Measured":
        """Draw samples; `weights` (n,) are the inverse chances by which the items were chosen."""
        draws = resampled(measurement, weights)
        return cls(measurement, draws, len(measurement.values), weights is not None)

    @property
    def value(self) -> float:
        """The figure on the items."""
        return self.measurement.value

    def interval(self, confidence: float = 0.95) -> Interval:
        """The figure with its interval, by Student's t over the draws' deviation.

        Where items were chosen by weights, the figure makes up for that.
        """
        value = float(np.nanmean(self.draws)) if self.is_weighted else self.value
        reach = _quantile(confidence, self.items) * _deviation(self.draws, self.items)
        return Interval(value, value - reach, min(value + reach, 1.0))  # which no figure exceeds

    def against(self, other: "Measured", confidence: float) -> Comparison:
        """How much better it is than another on the same items."""
        difference = self.value - other.value
        deviation = _deviation(self.draws - other.draws, self.items)
        reach = _quantile(confidence, self.items) * deviation
        return Comparison(difference, difference - reach, difference + reach, float("nan"))


def resampled(measurement: Measurement, weights: npt.ArrayLike | None = None) -> Floats:
    """The figure of 400 samples of the items, drawn with replacement: float64 (400,).

    A draw for which it is not defined, such as one with a single class, is NaN.
    """
    n = len(measurement.values)
    chances = None if weights is None else np.asarray(weights, float) / np.sum(weights)
    rows = np.random.default_rng(n).choice(n, (_RESAMPLES, n), p=chances)
    if measurement.statistic is np.mean:
        return np.asarray(np.asarray(measurement.values, float)[rows].mean(axis=1))
    draws = np.full(_RESAMPLES, np.nan)
    for i, row in enumerate(rows):
        with suppress(InputError):
            gold = (each[row] for each in measurement.gold)
            draws[i] = measurement.statistic(measurement.values[row], *gold)
    return draws


def _deviation(draws: Floats, items: int) -> float:
    # The bootstrap draws from the sample, which varies less than what it is a sample of; and where
    # all answers are right, it does not vary at all, but the next one may be wrong.
    return max(float(np.nanstd(draws) * (items / max(items - 1, 1)) ** 0.5), _LEAST / items)


def _quantile(confidence: float, items: int) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, max(items - 1, 1)))


@dataclass(frozen=True)
class Round:
    """What is known of all candidates after some items.

    Attributes:
        measured: by name, of every candidate that could be measured, in its last round.
        dropped: why some were not measured on more, by name.
        losses: how much worse than the best these were, on the same items, by name.
        failures: why some could not be measured, by name.
        seconds: how long each took, over all rounds.
    """

    measured: dict[str, Measured] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    losses: dict[str, Comparison] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def alive(self) -> list[str]:
        """Those that were measured on everything so far."""
        return [name for name in self.measured if name not in self.dropped]


def rounds(items: int, first: int = FIRST_ROUND) -> list[int]:
    """How many items each round has: twice as many as the one before, and at last all.

    >>> rounds(500)
    [64, 128, 256, 500]
    """
    sizes = [first]
    while sizes[-1] * 2 < items:
        sizes.append(sizes[-1] * 2)
    return [*(size for size in sizes if size < items), items]


def eliminate(
    names: Sequence[str],
    measure: Callable[[str, int], Measured],
    items: int,
    costs: Mapping[str, float],
    families: Mapping[str, str],
    may_stop: bool = True,
) -> Round:
    """Measure candidates on more and more items, and drop those that more would not save.

    Args:
        names: the candidates, the most promising first.
        measure: a candidate's answers to the first so many items.
        items: how many there are.
        costs: by candidate, on one scale.
        families: candidates of one family differ by less than a point, whatever they measure.
        may_stop: whether to stop before all items where more would not change the choice.

    Raises:
        InputError: no candidate could be measured.
    """
    state = Round()
    sizes = rounds(items)
    confidence = 1 - (1 - SURE) / max(len(names) * len(sizes), 1)
    for size in sizes:
        for name in names:
            if name in state.dropped or name in state.failures:
                continue
            started = time.perf_counter()
            try:
                state.measured[name] = measure(name, size)
            except (KeyboardInterrupt, MemoryError):
                raise
            except Exception as error:  # a candidate of any library may fail in any way
                state.measured.pop(name, None)
                state.failures[name] = reason(error)
            spent = time.perf_counter() - started
            state.seconds[name] = state.seconds.get(name, 0.0) + spent
        if not state.alive:
            problems = "; ".join(f"{name}: {why}" for name, why in state.failures.items())
            raise InputError(f"no candidate could be measured ({problems}).")
        _drop(state, costs, confidence)
        if may_stop and _is_decided(state, families, confidence):
            break
    return state


def _drop(state: Round, costs: Mapping[str, float], confidence: float) -> None:
    alive = state.alive
    best = max(alive, key=lambda name: state.measured[name].value)
    for name in alive:
        this = state.measured[name]
        if this.against(state.measured[best], confidence).high < -HOPELESS:
            why = f"surely more than {HOPELESS / POINT:.0f} points behind {best}"
        else:
            better = (
                other
                for other in state.alive
                if costs[other] <= costs[name]
                and this.against(state.measured[other], confidence).high < 0
            )
            if (other := next(better, None)) is None:
                continue
            why = f"surely worse than {other}, which costs no more"
        state.dropped[name] = why
        state.losses[name] = this.against(state.measured[best], 0.95)


def _is_decided(state: Round, families: Mapping[str, str], confidence: float) -> bool:
    """Whether each candidate left is within a point of the best, surely, or of its family."""
    alive = state.alive
    best = max(alive, key=lambda name: state.measured[name].value)
    for name in alive:
        if families[name] != families[best]:
            to_best = state.measured[name].against(state.measured[best], confidence)
            if to_best.low < -POINT:
                return False
    return True


class Record:
    """Measurements by candidate and data, kept on disk: nothing is measured twice.

    Where the file cannot be used, everything is measured, and one warning says so.
    """

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        try:
            cache_directory().mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(cache_directory() / _FILE, timeout=30)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, value TEXT) WITHOUT ROWID"
            )
        except (OSError, sqlite3.Error) as error:
            self._connection = None
            warn(f"Measurements are not kept ({error}); an interrupted run begins again.",
                 SememeWarning)  # fmt: skip

    def get(self, *parts: str) -> dict[str, Any] | None:
        """What was put under these parts, if anything."""
        if self._connection is None:
            return None
        try:
            row = self._connection.execute("SELECT value FROM kept WHERE key = ?", (_key(parts),))
            line = row.fetchone()
        except sqlite3.Error:
            return None
        return None if line is None else json.loads(line[0])

    def put(self, value: Mapping[str, Any], *parts: str) -> None:
        """Keep JSON values under these parts; what cannot be written is not kept."""
        if self._connection is not None:
            with suppress(sqlite3.Error), self._connection:
                self._connection.execute(
                    "INSERT OR REPLACE INTO kept VALUES (?, ?)", (_key(parts), json.dumps(value))
                )


def _key(parts: Sequence[str]) -> bytes:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
