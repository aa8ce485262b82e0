"""What was measured, what it would cost at the user's scale, and the choice in plain words."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sememe.arguments import real_number, shown, whole_number
from sememe.clustering.grouping import default_partitions
from sememe.costs import Speed, byte_size
from sememe.errors import InputError
from sememe.evaluation.intervals import Interval
from sememe.selection.candidates import Candidate
from sememe.selection.jury import Prior, combined
from sememe.selection.measuring import EQUAL, POINT, Round, compared, worth
from sememe.selection.sample import Sample
from sememe.tables import to_frame

if TYPE_CHECKING:
    import pandas

_COPIES = {"search": 1, "cluster": 3, "pairs": 1, "classify": 0}  # of all vectors, in memory
_GRAPH_FROM = 20_000  # vectors of an index; a search among more compares about so many
_UNITS = {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "ms": 1e-3, "s": 1.0, "": 1.0}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


@dataclass(frozen=True)
class Scale:
    """What the user needs: how many texts, queries a day, and limits that a choice must keep.

    Attributes:
        latency: seconds.
        memory: bytes.
    """

    texts: int
    queries_per_day: int | None = None
    latency: float | None = None
    memory: float | None = None

    @classmethod
    def parse(
        cls,
        texts: int,
        queries_per_day: int | None,
        latency: str | float | None,
        memory: str | float | None,
    ) -> "Scale":
        """A scale as users write it.

        Raises:
            InputError: a number, a time or a size that is none.

        >>> Scale.parse(1000, None, "50ms", "2GB")
        Scale(texts=1000, queries_per_day=None, latency=0.05, memory=2000000000.0)
        """
        whole_number("texts", texts)
        if queries_per_day is not None:
            whole_number("queries_per_day", queries_per_day)
        return cls(
            texts,
            queries_per_day,
            _quantity("latency", latency, ("s", "ms"), "50ms"),
            _quantity("memory", memory, ("b", "kb", "mb", "gb", "tb"), "2GB"),
        )


def _quantity(
    name: str, value: str | float | None, units: Sequence[str], example: str
) -> float | None:
    if value is None or not isinstance(value, str):
        return None if value is None else real_number(name, value, above=0, example=example)
    match = _QUANTITY.fullmatch(value.strip().lower())
    if match is None or match[2] not in ("", *units) or not float(match[1]):
        raise InputError(f"{name}={shown(value)}: give one such as {example}.")
    return float(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True)
class Projection:
    """What the user's scale costs.

    Attributes:
        seconds: to encode, group or compare all texts once.
        latency: of a call for one text, or one query among all texts; the slowest of a hundred.
        daily: seconds of computing that a day's queries take.
        memory: bytes, of the model and of what is stored.
    """

    seconds: float
    latency: float
    daily: float
    memory: float


def projected(candidate: Candidate, work: str, speed: Speed, scale: Scale) -> Projection:
    """What a candidate costs at a scale, by its measured speed."""
    n = scale.texts
    seconds = speed.encoding(n)
    latency, call = speed.slow_call, speed.call
    if work == "search":
        compared = min(n, _GRAPH_FROM) * speed.comparison
        latency, call = latency + compared, call + compared
    elif work == "cluster":
        pairs = float(candidate.budget.removesuffix("n") or 0)
        seconds = speed.clustering(n, default_partitions(n), pairs)
    elif work == "pairs":
        compared = n * (n - 1) / 2 * speed.comparison
        seconds += compared if candidate.open_encoder else speed.reading_all_pairs(n)
    daily = (scale.queries_per_day or 0) * call
    return Projection(seconds, latency, daily, speed.bytes + _COPIES[work] * n * speed.dim * 4)


@dataclass(frozen=True)
class Row:
    """A candidate as the table shows it; what is not known is None.

    Attributes:
        name, kind: what it is.
        quality: its figure with its 95 % interval.
        items: on how many items.
        prior: what the jury makes of it.
        speed: measured.
        projection: at the user's scale.
        is_equal: whether nothing tells it from the best.
        is_on_front: whether no candidate is both better and cheaper.
        note: why it was dropped, fails, or does not keep a limit.
    """

    name: str
    kind: str
    quality: Interval | None
    items: int
    prior: float | None
    speed: Speed | None
    projection: Projection | None
    is_equal: bool
    is_on_front: bool
    note: str


@dataclass(frozen=True, eq=False)
class Selection:
    """Which model is the right tool; `print` says it in words.

    Attributes:
        sample: what was measured on.
        scale: what it is for.
        candidates: all of them.
        state: what was measured of them.
        prior: what a jury thinks of them, where labels are few.
        speeds: of those that could be opened.
        failures: why others could not be measured, by name.
    """

    sample: Sample
    scale: Scale
    candidates: Sequence[Candidate]
    state: Round
    prior: Prior | None
    speeds: Mapping[str, Speed]
    failures: Mapping[str, str]

    @property
    def metric(self) -> str:
        """The figure's name; without labels, what the jury's order is of."""
        measured = next(iter(self.state.measured.values()), None)
        return "agreement with the jury" if measured is None else measured.metric

    @property
    def labels(self) -> int:
        """How many items are labelled."""
        return 0 if self.sample.task is None else len(self.sample.task)

    @cached_property
    def families(self) -> dict[str, str]:
        """The family of each candidate."""
        return {each.name: each.family for each in self.candidates}

    @cached_property
    def projections(self) -> dict[str, Projection]:
        """What each candidate costs at the user's scale."""
        work, by_name = self.sample.work, {each.name: each for each in self.candidates}
        return {
            name: projected(by_name[name], work, speed, self.scale)
            for name, speed in self.speeds.items()
        }

    @cached_property
    def scores(self) -> dict[str, float]:
        """By labels, prior, or both: the higher the better, on no scale."""
        if not self.labels:
            values = {} if self.prior is None else self.prior.values
            return {name: value for name, value in values.items() if name in self.speeds}
        values = {name: self.state.measured[name].value for name in self.state.alive}
        return combined(values, self.prior, self.labels, self.families)

    def problem(self, name: str) -> str:
        """Which of the user's limits a candidate does not keep, "" if none."""
        cost, scale = self.projections[name], self.scale
        if scale.latency is not None and cost.latency > scale.latency:
            times = (float(f"{1000 * each:.3g}") for each in (cost.latency, scale.latency))
            takes, allowed = (f"{each:,g} ms" for each in times)
            return f"a call takes {takes}, where {allowed} are allowed"
        if scale.memory is not None and cost.memory > scale.memory:
            takes, allowed = byte_size(cost.memory), byte_size(scale.memory)
            return f"it takes {takes} of memory, where {allowed} are allowed"
        return ""

    @cached_property
    def equals(self) -> list[str]:
        """Those that nothing tells from the best, of those that keep the limits; cheapest first.

        By labels, where the paired 90 % interval of the difference holds 0. Without any, by the
        jury: where such an order was wrong in more than a tenth of the cases.
        """
        fit = [name for name in self.scores if not self.problem(name)]
        if not fit:
            return []
        best = max(fit, key=lambda name: self.scores[name])
        if self.labels:
            measured = self.state.measured
            best = max(fit, key=lambda name: measured[name].value)
            equal = [
                name for name in fit
                if compared(measured[name], measured[best], EQUAL).high >= 0
            ]  # fmt: skip
        else:
            assert self.prior is not None
            equal = [name for name in fit if self.prior.share_right(name, best) < EQUAL]
        return sorted({*equal, best}, key=lambda name: self.projections[name].seconds)

    @cached_property
    def choice(self) -> str:
        """The candidate to use: the best by labels and jury, or a cheaper one that is as good.

        Ten times the cost must buy half a point. A cheaper one is taken where it measures no worse
        than that, and is surely no more than a point beyond it.
        """
        if not self.equals:
            raise InputError(self.nothing_fits)
        best = max(self.equals, key=lambda name: self.scores[name])
        family = [name for name in self.equals if self.families[name] == self.families[best]]
        if not self.labels:
            return family[0]
        measured, cost = self.state.measured, self.projections[best].seconds

        def is_worth_less(name: str) -> bool:
            allowance = worth(cost, self.projections[name].seconds)
            loss = compared(measured[name], measured[best], EQUAL)
            return loss.difference >= -allowance and loss.low >= -allowance - POINT

        return next(name for name in self.equals if name in family or is_worth_less(name))

    @property
    def nothing_fits(self) -> str:
        """That no candidate keeps the limits, and which each does not."""
        problems = "; ".join(f"{name}: {self.problem(name)}" for name in self.scores)
        return f"no candidate keeps the limits ({problems or 'none could be opened'})."

    @cached_property
    def front(self) -> set[str]:
        """Those than which no other is both better and cheaper."""
        values = {name: each.value for name, each in self.state.measured.items()} or self.scores
        cost = {name: self.projections[name].seconds for name in values if name in self.projections}
        return {
            name for name in cost
            if not any(
                cost[other] <= cost[name] and values[other] >= values[name]
                and (cost[other], -values[other]) != (cost[name], -values[name])
                for other in cost
            )
        }  # fmt: skip

    @cached_property
    def rows(self) -> list[Row]:
        """All candidates, best first; those that were dropped come behind the others."""
        rows = [self._row(each) for each in self.candidates]
        scores = {row.name: row.quality.value if row.quality else row.prior for row in rows}

        def order(row: Row) -> tuple[bool, bool, float]:
            score = scores[row.name]
            is_dropped = row.name in self.state.dropped
            return row.quality is None, is_dropped, np.inf if score is None else -score

        return sorted(rows, key=order)

    def _row(self, candidate: Candidate) -> Row:
        name = candidate.name
        measured, cost = self.state.measured.get(name), self.projections.get(name)
        note = self.failures.get(name) or self.state.dropped.get(name, "")
        return Row(
            name,
            candidate.kind,
            measured.interval() if measured else None,
            measured.items if measured else 0,
            self.prior.values.get(name) if self.prior else None,
            self.speeds.get(name),
            cost,
            name in self.equals,
            name in self.front,
            note or (self.problem(name) if cost else ""),
        )

    @cached_property
    def candidate(self) -> Candidate:
        """The choice, ready to be used."""
        return next(each for each in self.candidates if each.name == self.choice)

    @property
    def verdict(self) -> str:
        """The choice with its reasons, a few sentences."""
        from sememe.selection.verdict import verdict

        return verdict(self)

    @property
    def code(self) -> str:
        """The choice in a few lines of Python."""
        from sememe.selection.verdict import code

        return code(self.candidate, self.sample.work)

    @property
    def command(self) -> str:
        """The choice as a command; "" where only Python can use it so."""
        from sememe.selection.verdict import command

        return command(self.candidate, self.sample.work)

    def ask(self, count: int, path: str | os.PathLike[str]) -> int:
        """Write what is most worth labelling as a table with an empty column `label`.

        Queries with the documents in question, texts for their group or class, or pairs on which
        the best candidates disagree. Filled in, it is `select(..., labels=path)`.

        Args:
            count: how many queries, texts or pairs.
            path: a csv, or what else `sememe.tables` writes.

        Returns:
            How many rows were written.
        """
        from sememe.selection.asking import write_questions

        return write_questions(self, whole_number("count", count), path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page: the plot, the table, where candidates disagree, and the choice's code."""
        from sememe.selection.report import write_report

        write_report(self, path)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; what is not known is None."""
        has_choice = bool(self.equals)
        return {
            "work": self.sample.work,
            "data": self.sample.name,
            "labels": self.labels,
            "metric": self.metric,
            "scale": asdict(self.scale),
            "choice": self.choice if has_choice else None,
            "verdict": self.verdict,
            "command": self.command if has_choice else None,
            "code": self.code if has_choice else None,
            "jury": [] if self.prior is None else list(self.prior.jury),
            "candidates": [asdict(row) for row in self.rows],
        }

    def to_frame(self) -> "pandas.DataFrame":
        """A row a candidate: the attributes of `Row`, and of what it holds, are columns.

        Raises MissingExtra without pandas.
        """
        rows = []
        for row in map(asdict, self.rows):
            parts = [row.pop(name) or {} for name in ("quality", "speed", "projection")]
            rows.append({**row, **{key: value for part in parts for key, value in part.items()}})
        names = dict.fromkeys(name for row in rows for name in row)
        return to_frame({name: [row.get(name) for row in rows] for name in names})

    def __repr__(self) -> str:
        return self.verdict
