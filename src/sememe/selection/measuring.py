"""Measuring candidates on growing parts of a sample, until more would not change the answer.

Successive elimination (Even-Dar, Mannor and Mansour 2006) with paired bounds: all candidates
answer the same items, of which there are twice as many in each round. What can no longer be chosen
is dropped: what is surely not enough better than another that costs less, what is hopeless, and a
dearer precision of a model. Each measurement is kept on disk as soon as it is made, so a killed run
loses only the one it was in.
"""

import json
import sqlite3
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from sememe.cache import cache_directory
from sememe.errors import InputError, SememeWarning, reason, warn
from sememe.evaluation.intervals import Comparison
from sememe.evaluation.measures import Measurement

FIRST_ROUND = 64
"""Items that all candidates are measured on."""

SURE = 0.95
"""Of all decisions of a run together: that no candidate is dropped that should not be."""

EQUAL = 0.90
"""Nothing tells a candidate from the best where this interval of their difference holds 0."""

HOPELESS = 0.10
"""So much worse than the best, surely, a candidate is dropped whatever it costs."""

WORTH = 0.005
"""Half a point: so much better must a candidate be for every tenfold of another's cost."""

POINT = 0.01
_FILE = "measurements-v1.sqlite"


@dataclass(frozen=True)
class Round:
    """What is known of all candidates after some items.

    Attributes:
        measured: by name, of every candidate that could be measured, in its last round.
        dropped: why some were not measured on more, by name.
        losses: how much worse than the best these were, on the same items, by name.
        failures: why some could not be measured, by name.
    """

    measured: dict[str, Measurement] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    losses: dict[str, Comparison] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

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
    measure: Callable[[str, int], Measurement],
    items: int,
    costs: Mapping[str, float],
    families: Mapping[str, str],
    may_stop: bool = True,
    late: Container[str] = (),
    within: Container[str] = (),
) -> Round:
    """Measure candidates on more and more items, and drop those that more would not save.

    Args:
        names: the candidates, the most promising first.
        measure: a candidate's answers to the first so many items.
        items: how many there are.
        costs: by candidate, on one scale.
        families: candidates of one family differ in precision alone.
        may_stop: whether to stop before all items where more would not change the choice.
        late: candidates that are measured once, on all items: those that learn from them.
        within: candidates that keep the user's limits, which are dropped for no other than these;
            empty where there are no limits, or none keeps them.

    Raises:
        InputError: no candidate could be measured.
    """
    state = Round()
    sizes = rounds(items)
    may_stop = may_stop and not any(name in late for name in names)
    confidence = 1 - (1 - SURE) / max(len(names) * len(sizes), 1)
    for size in sizes:
        for name in names:
            if name in state.dropped or name in state.failures or (name in late and size < items):
                continue
            try:
                state.measured[name] = measure(name, size)
            except (KeyboardInterrupt, MemoryError):
                raise
            except Exception as error:  # a candidate of any library may fail in any way
                state.measured.pop(name, None)
                state.failures[name] = reason(error)
        if not state.alive and len(state.failures) == len(names):
            raise InputError(f"no candidate could be measured ({by_reason(state.failures)}).")
        # Once all items are measured, a precision that was measured too is shown as good.
        _drop(state, costs, families if size < items else {}, confidence, within)
        if may_stop and _is_decided(state, families, confidence, within):
            break
    return state


def by_reason(failures: Mapping[str, str]) -> str:
    """Why candidates failed, each reason once behind the names of those that have it.

    >>> by_reason({"a": "no file", "b": "no memory", "c": "no file"})
    'a and c: no file; b: no memory'
    """
    names: dict[str, list[str]] = {}
    for name, why in failures.items():
        names.setdefault(why, []).append(name)
    return "; ".join(f"{' and '.join(each)}: {why}" for why, each in names.items())


def worth(cost: float, other: float) -> float:
    """How much better a candidate must be than another that costs less: 0 where it does not.

    >>> worth(1000.0, 1.0), worth(1.0, 1000.0)
    (0.015, 0.0)
    """
    return WORTH * max(0.0, float(np.log10(max(cost, 1e-9) / max(other, 1e-9))))


def compared(first: Measurement, second: Measurement, confidence: float) -> Comparison:
    """The first less the second, as if chance could always move half an item."""
    return first.against(second, confidence, max(first.least, second.least))


def _drop(
    state: Round,
    costs: Mapping[str, float],
    families: Mapping[str, str],
    confidence: float,
    within: Container[str],
) -> None:
    def is_dearer_precision(name: str, other: str) -> bool:
        return costs[other] < costs[name] and families.get(name, name) == families.get(other)

    for name in sorted(state.alive, key=lambda name: -costs[name]):
        this = state.measured[name]
        rivals = [each for each in state.alive if each in within or name not in within]
        best = max(rivals, key=lambda name: state.measured[name].value)

        def is_beaten_by(other: str, name: str = name, this: Measurement = this) -> bool:
            if other == name or costs[other] > costs[name]:
                return False
            gain = compared(this, state.measured[other], confidence)
            if is_dearer_precision(name, other):
                return gain.difference < POINT
            return gain.high < worth(costs[name], costs[other])

        if compared(this, state.measured[best], confidence).high < -HOPELESS:
            rival, why = best, f"surely more than {HOPELESS / POINT:.0f} points behind {best}"
        elif (other := next(filter(is_beaten_by, rivals), None)) is not None:
            much = "no" if is_dearer_precision(name, other) else "surely not enough"
            price = "less" if costs[other] < costs[name] else "no more"
            rival, why = other, f"{much} better than {other}, which costs {price}"
        else:
            continue
        # Figures of other items are no comparison, and the table shows both.
        gain = (this.value - state.measured[rival].value) / POINT
        state.dropped[name] = f"{why} ({gain:+.1f} points on the same {this.items:,} items)"
        state.losses[name] = compared(this, state.measured[best], 0.95)


def _is_decided(
    state: Round, families: Mapping[str, str], confidence: float, within: Container[str]
) -> bool:
    """Whether each candidate left is within a point of the best, surely, or of its family."""
    alive = [name for name in state.alive if name in within] or state.alive
    best = max(alive, key=lambda name: state.measured[name].value)
    return all(
        families[name] == families[best]
        or compared(state.measured[name], state.measured[best], confidence).low >= -POINT
        for name in alive
    )


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

    def get(self, fingerprint: str, *parts: str) -> dict[str, Any] | None:
        """What was put under these, if anything; nothing is kept without a fingerprint."""
        if self._connection is None or not fingerprint:
            return None
        key = _key(fingerprint, *parts)
        try:
            row = self._connection.execute("SELECT value FROM kept WHERE key = ?", (key,))
            line = row.fetchone()
        except sqlite3.Error:
            return None
        return None if line is None else json.loads(line[0])

    def put(self, value: Mapping[str, Any], fingerprint: str, *parts: str) -> None:
        """Keep JSON values under these; what cannot be written is not kept."""
        if self._connection is not None and fingerprint:
            row = _key(fingerprint, *parts), json.dumps(value)
            with suppress(sqlite3.Error), self._connection:
                self._connection.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", row)


def _key(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()
