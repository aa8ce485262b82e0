"""What came of a training run: its choices, its history, and whether the model is better."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sememe.errors import CheckpointError, ChoiceWarning, JobError, TableError, is_unavailable, warn
from sememe.evaluation.intervals import Comparison, Interval
from sememe.evaluation.measures import Measurement
from sememe.reports import training as page
from sememe.tables import replacing

ON_REQUEST = "asked for"
_EXAMPLES = 10
"""So many of what changed are shown."""


@dataclass(frozen=True)
class Choice:
    """A setting, its value and why it has it."""

    name: str
    value: Any
    why: str


def with_requests(defaults: Iterable[Choice], options: Mapping[str, Any]) -> list[Choice]:
    """The defaults, those that the user passed an option for replaced by it."""
    requests = {name: value for name, value in options.items() if value is not None}
    return [
        Choice(c.name, requests[c.name], ON_REQUEST) if c.name in requests else c for c in defaults
    ]


def report_choices(choices: Iterable[Choice]) -> None:
    """Warn of what was chosen and why, without what the user asked for."""
    reasons = [f"{c.name} {c.value} ({c.why})" for c in choices if c.why != ON_REQUEST]
    if reasons:
        warn(f"Chosen for these data: {'; '.join(dict.fromkeys(reasons))}.", ChoiceWarning)


@dataclass
class History:
    """What happened.

    Attributes:
        losses: of every step.
        rates: the learning rate of every step.
        evaluations: after how many steps, and what was measured.
        best: the index of the best evaluation; None without any.
    """

    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    best: int | None = None


@dataclass(frozen=True)
class Outcome:
    """The result of a run; `print` says the verdict, and where the result is.

    Attributes:
        directory: the checkpoint.
        title: of what, on what.
        choices: what was chosen, and why.
        precision: what was computed in.
        history: losses, learning rates and evaluations.
        first: what was measured before the first step; None if nothing was.
        last: the same of the weights that were saved.
        further: other measurements of these weights.
        words: how the two figures are called, and what is better kept if the first is lower.
        sample: which examples they are of.
        further_first: some of the further measurements before the first step, by the same names.
    """

    directory: Path
    title: str
    choices: list[Choice]
    precision: str
    history: History
    first: Measurement | None
    last: Measurement | None
    further: tuple[Measurement, ...] = ()
    words: tuple[str, str, str] = ("after", "before", "the model that you had")
    sample: str = "held out"
    further_first: tuple[Measurement, ...] = ()

    def __repr__(self) -> str:
        return f"<Outcome: {self.title}, in {self.directory}. {self.verdict}>"

    @cached_property
    def before(self) -> Interval | None:
        """The figure before, with its 95 % interval."""
        return None if self.first is None else self.first.interval()

    @cached_property
    def after(self) -> Interval | None:
        """The figure after, with its 95 % interval."""
        return None if self.last is None else self.last.interval()

    @cached_property
    def comparison(self) -> Comparison | None:
        """After less before, on the same examples."""
        return self.last.against(self.first) if self.first and self.last else None

    @cached_property
    def further_comparisons(self) -> dict[str, Comparison]:
        """The same of further figures, by metric, where they were measured before too."""
        last = {each.metric: each for each in self.further}
        return {each.metric: last[each.metric].against(each) for each in self.further_first}

    @property
    def better(self) -> bool | None:
        """Whether the difference is surely above 0; None if nothing was measured."""
        return None if self.comparison is None else self.comparison.better

    @property
    def headline(self) -> str:
        """The verdict in at most six words."""
        if self.comparison is None:
            return "Not measured: nothing was held out"
        points = f"by {abs(100 * self.comparison.difference):.1f} points"
        if self.better:
            return f"Better {points}"
        return f"Worse {points}" if self.comparison.worse else "No measurable gain"

    @cached_property
    def verdict(self) -> str:
        """One sentence."""
        if not (self.last and self.before and self.after and self.comparison):
            return "Nothing was held out, so it is not known whether the model is better."
        test, count = self.comparison, len(self.last.values)
        after, before, fallback = self.words
        gains = self.further_comparisons
        further = "".join(
            f"; {each.metric} {each.interval().with_range()}"
            + (f", {gains[each.metric].with_range()}" if each.metric in gains else "")
            for each in self.further
        )
        figures = (
            f"{self.last.metric} {self.after.with_range()} {after}, "
            f"{self.before.with_range()} {before}, on {count} examples {self.sample}; "
            f"{test.with_range()}{further}"
        )
        if self.better:
            return f"Better: {figures}."
        if test.worse:
            return f"Worse: {figures}. Keep {fallback}."
        if self.history.best == 0:
            return f"Not better: no step improved it, so none was kept ({figures})."
        return f"Not shown to be better: {figures}; this may be chance. More examples would tell."


@contextmanager
def saving_explained(target: Path, work: Path) -> Iterator[None]:
    """Explain that a result cannot be written, and where its training resumes.

    Raises:
        JobError: in place of what the block raises where it writes, as on a full disk.
    """
    try:
        yield
    except (OSError, CheckpointError, TableError) as error:
        cause = error.__cause__ or error
        reason = getattr(cause, "strerror", None) or cause
        state = f"resumes from the state in {work}" if any(work.rglob("*.pt")) else "begins again"
        raise JobError(
            f"{target} cannot be written: {reason}. Once this is mended (is the disk full?), the "
            f"same call {state}.",
            unavailable=is_unavailable(cause),
        ) from error


def write_outcome(outcome: Outcome, directory: Path, name: str = "training") -> None:
    """Put NAME.html, of training only where there were steps, and NAME.json beside the weights."""
    history, facts = outcome.history, [(c.name, str(c.value), c.why) for c in outcome.choices]
    verdict = None
    if outcome.before and outcome.after:
        before, after = (
            (100 * each.value, 100 * each.low, 100 * each.high)
            for each in (outcome.before, outcome.after)
        )
        verdict = page.Verdict(outcome.headline, outcome.verdict, before, after, outcome.words[:2])
    examples, changes = _changes(outcome)
    run = page.Run(
        outcome.title,
        [*facts, ("precision", outcome.precision, "weights stay in float32")],
        history.losses,
        history.rates,
        f"{outcome.last.metric} × 100" if outcome.last else "",
        [(step, 100 * value) for step, value in history.evaluations],
        history.best,
        verdict,
        examples,
        changes,
    )
    if history.losses or name != "training":
        page.write_training(directory / f"{name}.html", run)
    with replacing(directory / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(summary(outcome), indent=1) + "\n", encoding="utf-8")


def _changes(outcome: Outcome) -> tuple[list[page.Example], str]:
    """The examples that changed most, and how many did."""
    if not (outcome.first and outcome.last and outcome.first.details and outcome.last.details):
        return [], ""
    before, after = outcome.first.details, outcome.last.details
    gains = after.merits - before.merits
    order = [i for i in np.argsort(-np.abs(gains), kind="stable")[:_EXAMPLES] if gains[i]]
    examples = [
        page.Example(
            after.texts[i], after.right[i], before.answers[i], after.answers[i], bool(gains[i] > 0)
        )
        for i in order
    ]
    counts = f"{(gains > 0).sum()} of {len(gains)} became better, {(gains < 0).sum()} worse"
    return examples, f"{counts}; these changed most. Before and after: {after.meaning}."


def summary(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON values."""
    further: dict[str, dict[str, Any]] = {
        each.metric: asdict(each.interval()) for each in outcome.further
    }
    for each in outcome.further_first:
        gain = outcome.further_comparisons[each.metric]
        further[each.metric] |= {"before": asdict(each.interval()), "comparison": asdict(gain)}
    return {
        "directory": str(outcome.directory),
        "headline": outcome.headline,
        "verdict": outcome.verdict,
        "better": outcome.better,
        "metric": outcome.last.metric if outcome.last else None,
        "before": outcome.before and asdict(outcome.before),
        "after": outcome.after and asdict(outcome.after),
        "further": further,
        "comparison": outcome.comparison and asdict(outcome.comparison),
        "choices": [asdict(choice) for choice in outcome.choices],
        "precision": outcome.precision,
        "steps": len(outcome.history.losses),
        "evaluations": outcome.history.evaluations,
        "losses": outcome.history.losses,
    }
