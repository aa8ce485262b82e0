"""The page of a training run: its verdict, its curves, and why it was trained so."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.errors import InputError
from sememe.reports import shortened, write_page

_BUCKETS = 800  # no screen shows more of a curve
_LONGEST_TEXT = 500

Figure = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The metric before and after training, the paired difference, its p value, and a sentence.

    Figures are a value and its 95 % interval, (value, low, high); what is not known is NaN.
    """

    before: Figure
    after: Figure
    difference: Figure
    p: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Example:
    """A pair that was held out: what is right, and the scores before and after training."""

    first: str
    second: str
    gold: float
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Run:
    """What happened in training, as plain data.

    Attributes:
        title: shown above all.
        facts: a name, a value and the reason for each choice, in order.
        steps: float (n,), rising.
        losses: float (n,), the training loss at each step.
        learning_rates: float (n,).
        metric: the name of what was evaluated.
        evaluations: a step and the metric's value then, in the order of steps; () if none.
        best: the step of the evaluation whose weights were kept.
        verdict: None where nothing was held out to judge by.
        examples: pairs that changed most.
    """

    title: str
    facts: Sequence[tuple[str, str, str]]
    steps: ArrayLike
    losses: ArrayLike
    learning_rates: ArrayLike
    metric: str = ""
    evaluations: Sequence[tuple[float, float]] = ()
    best: float | None = None
    verdict: Verdict | None = None
    examples: Sequence[Example] = ()


def write_training(path: str | os.PathLike[str], run: Run) -> None:
    """Write the page of a training run as one HTML file, which appears whole or not at all.

    Of a long run each point of a curve is the mean of its steps, with their lowest and highest; a
    loss that is not finite is a gap. Texts are data in the page, never markup; of each the first
    500 characters are kept.

    Raises:
        InputError: steps, losses and learning rates are not of one length, steps do not rise, or
            there is no evaluation at the step `best`.
        TableError: the file cannot be written.

    Example:
        >>> run = Run("mine", [("loss", "cosent", "scored pairs")], [1, 2], [0.7, 0.4], [2e-5, 0])
        >>> write_training("training.html", run)   # doctest: +SKIP
    """
    evaluated = np.array([tuple(pair) for pair in run.evaluations]).reshape(-1, 2)
    losses = np.asarray(run.losses, dtype=np.float64)
    data = {
        "evaluations": len(evaluated),
        "facts": [[_cut(part) for part in fact] for fact in run.facts],
        "loss": _curve("losses", run.steps, losses),
        "strange": int((~np.isfinite(losses)).sum()),
        "rate": _curve("learning rates", run.steps, run.learning_rates),
        "name": _cut(run.metric),
        "metric": _curve("evaluations", evaluated[:, 0], evaluated[:, 1]),
        "best": _best(run),
        "verdict": run.verdict and _verdict_rows(run.verdict),
        "examples": [
            [_cut(one.first), _cut(one.second), *_json_numbers([one.gold, one.before, one.after])]
            for one in run.examples
        ],
    }
    write_page(path, "training", ("training.js",), run.title, data)


def _curve(name: str, steps: ArrayLike, values: ArrayLike) -> dict[str, list[float | None]]:
    """Neighbouring points together in buckets: their first and last step, mean, low and high."""
    steps, values = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if steps.ndim != 1 or steps.shape != values.shape:
        raise InputError(f"{steps.size} steps and {values.size} {name}: give one for each step.")
    if not np.isfinite(steps).all() or (np.diff(steps) < 0).any():
        raise InputError(f"the steps of the {name} do not rise: give them in order.")
    n, buckets = len(steps), min(len(steps), _BUCKETS)
    starts = np.arange(buckets) * n // max(buckets, 1)
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore", over="ignore"):  # a bucket without a finite value is NaN
        totals = np.add.reduceat(np.where(finite, values, 0), starts)
        means = totals / np.add.reduceat(finite.astype(np.float64), starts)
    return {
        "first": _json_numbers(steps[starts]),
        "last": _json_numbers(steps[np.append(starts[1:], n)[:buckets] - 1]),
        "mean": _json_numbers(means),
        "low": _json_numbers(np.minimum.reduceat(np.where(finite, values, np.inf), starts)),
        "high": _json_numbers(np.maximum.reduceat(np.where(finite, values, -np.inf), starts)),
        "smooth": _json_numbers(_moving_average(means)),
    }


def _moving_average(values: NDArray[Any]) -> NDArray[Any]:
    """A moving average over a twentieth of the curve, the near ones first; gaps stay gaps."""
    if len(values) == 0:
        return values
    window = np.hanning(2 * (len(values) // 40) + 3)[1:-1]
    finite = np.isfinite(values)
    totals = np.convolve(np.where(finite, values, 0), window, "same")
    weights = np.convolve(finite, window, "same")
    return np.where(finite, totals / np.maximum(weights, 1e-12), np.nan)


def _best(run: Run) -> list[float | None] | None:
    if run.best is None:
        return None
    values = dict(run.evaluations)
    if run.best not in values:
        raise InputError(f"step {run.best} was kept, but there is no evaluation at that step.")
    return _json_numbers([run.best, values[run.best]])


def _verdict_rows(verdict: Verdict) -> dict[str, Any]:
    intervals = {"before": verdict.before, "after": verdict.after, "difference": verdict.difference}
    rows = {name: _json_numbers(one) for name, one in intervals.items()}
    return {**rows, "p": _json_numbers([verdict.p])[0], "sentence": _cut(verdict.sentence)}


def _cut(text: str) -> str:
    return shortened(text, _LONGEST_TEXT)


def _json_numbers(values: ArrayLike) -> list[float | None]:
    """For JSON, which has no NaN and no infinity: they become null."""
    numbers: list[float] = np.asarray(values, dtype=np.float64).tolist()
    return [number if np.isfinite(number) else None for number in numbers]
