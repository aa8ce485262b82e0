"""What work costs: rates measured once, budgets of pairs, "about 3 min" before the work."""

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
    """About how long, for people.

    >>> duration(170), duration(9000)
    ('3 min', '2.5 h')
    """
    if seconds < LONG_SECONDS:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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

        Raises:
            InputError: it is none of these.

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
