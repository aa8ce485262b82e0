"""What work costs: rates measured once, budgets of pairs, projections, "about 3 min" before it."""

import re
from dataclasses import dataclass
from math import ceil, inf
from operator import index
from typing import SupportsIndex

from sememe.arguments import shown
from sememe.errors import CostWarning, InputError, warn

LONG_SECONDS = 60
"""Work of more than this says about how long it will take, before it begins."""

_rates: dict[str, float] = {}

_TIMES = {"s": 1, "sec": 1, "min": 60, "h": 3600}
_NUMBER = re.compile(r"\d{1,18}|\d{1,3}(,\d{3}){1,5}")
_MULTIPLE = re.compile(r"(\d{1,18}(?:\.\d+)?)n")
_TIME = re.compile(r"(\d{1,18}(?:\.\d+)?)\s*(s|sec|min|h)")


def record_rate(work: str, items: float, seconds: float) -> None:
    """Remember how many items a second some work does; the first measurement counts."""
    if seconds > 0:
        _rates.setdefault(work, items / seconds)


def rate(work: str) -> float:
    """Items a second of some work in this process; 0 where it has not been measured yet."""
    return _rates.get(work, 0.0)


def duration(seconds: float) -> str:
    """About how long, for people; a second at least.

    >>> duration(0.2), duration(170), duration(9000), duration(3e8), duration(3e10)
    ('1 s', '3 min', '2.5 h', '9.5 years', '951 years')
    """
    seconds = max(seconds, 1.0)
    for unit, length, most in (("s", 1, 60), ("min", 60, 5400), ("h", 3600, 72 * 3600)):
        if seconds < most:
            return f"{seconds / length:.{int(unit == 'h')}f} {unit}"
    days = seconds / 86_400
    years = days / 365.25
    return f"{days:.0f} days" if days < 730 else f"{years:,.{int(years < 10)}f} years"


def byte_size(count: float) -> str:
    """Memory, for people.

    >>> byte_size(91_000_000), byte_size(3.07e9)
    ('91 MB', '3.1 GB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def warn_of_duration(work: str, seconds: float, advice: str = "") -> bool:
    """Warn that work will take more than a minute, if it will; returns whether it will.

    `work` begins the sentence, "Encoding 20,000 texts"; `advice` is one that names a cheaper way.
    """
    if seconds <= LONG_SECONDS:
        return False
    sentence = f"{work} will take about {duration(seconds)}."
    warn(f"{sentence} {advice}" if advice else sentence, CostWarning)
    return True


@dataclass(frozen=True)
class Budget:
    """How many pairs a cross-encoder may score: for each text, in all, or by a time; or all."""

    per_text: float | None = None
    pairs: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, budget: "Budget | str | int") -> "Budget":
        """A budget as users write it: "3n", a number of pairs, a time such as "2min", or "all".

        >>> Budget.parse("3n").count(1000)
        3000
        """
        if isinstance(budget, Budget):
            return budget
        if isinstance(budget, SupportsIndex) and not isinstance(budget, bool) and index(budget) > 0:
            return cls(pairs=index(budget))
        text = budget.strip().lower() if isinstance(budget, str) else ""
        if text == "all":
            return cls()
        if _NUMBER.fullmatch(text) and (pairs := int(text.replace(",", ""))):
            return cls(pairs=pairs)
        if (multiple := _MULTIPLE.fullmatch(text)) and float(multiple[1]) > 0:
            return cls(per_text=float(multiple[1]))
        if (time := _TIME.fullmatch(text)) and float(time[1]) > 0:
            return cls(seconds=float(time[1]) * _TIMES[time[2]])
        raise InputError(
            f'budget={shown(budget)}: give pairs for each text such as "3n", a number of pairs, '
            'a time such as "2min", or "all".'
        )

    def count(self, texts: int, pairs_per_second: float = inf, most: int | None = None) -> int:
        """How many pairs it allows among so many texts; never more than there are, or than `most`.

        Of a search the texts are the queries, and `most` is the number of their candidates.
        """
        every = texts * (texts - 1) // 2 if most is None else most
        if self.pairs is not None:
            return min(every, self.pairs)
        if self.per_text is not None:
            return min(every, ceil(self.per_text * texts))
        if self.seconds is not None:
            return min(every, int(min(self.seconds * pairs_per_second, every)))
        return every


# Comparisons of two vectors that clustering costs a text, fitted to 10,000 and 100,000 texts on two
# cores (benchmarks/selecting.py): neighbours, of no more texts than these; a partition of the graph
# of 10,000 texts, names included, which grows with the texts.
_NEIGHBORS, _PARTITION, _GROWTH = 20_000, 9_000, 0.38


def clustering_comparisons(texts: int, partitions: float) -> float:
    """What clustering costs, in comparisons of two vectors: neighbours, then the partitions."""
    partition: float = _PARTITION * (texts / 10_000) ** _GROWTH
    return texts * (min(texts, _NEIGHBORS) + partition * partitions)


@dataclass(frozen=True)
class Speed:
    """How fast a model, used in some way, is on this machine: seconds, all measured.

    Of a text and a pair, among many; of a comparison of two vectors; of a call for one text, the
    median and the 99th percentile. With them, the bytes of its weights, and the components of a
    vector, 0 where none is stored.
    """

    text: float = 0.0
    pair: float = 0.0
    comparison: float = 0.0
    call: float = 0.0
    slow_call: float = 0.0
    bytes: int = 0
    dim: int = 0

    def encoding(self, texts: int) -> float:
        """Seconds to encode so many texts."""
        return texts * self.text

    def clustering(self, texts: int, partitions: float, pairs_a_text: float = 0.0) -> float:
        """Seconds to encode and cluster texts, of which a cross-encoder reads some pairs."""
        compared = clustering_comparisons(texts, partitions) * self.comparison
        return self.encoding(texts) + compared + texts * pairs_a_text * self.pair

    def reading_all_pairs(self, texts: int) -> float:
        """Seconds in which a cross-encoder reads every pair of so many texts."""
        return texts * (texts - 1) / 2 * self.pair
