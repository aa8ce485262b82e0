"""The page of a training run: its verdict, its curves, and why it was trained so."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sememe.reports import shortened, write_page

_BUCKETS = 800  # no screen shows more of a curve
_LONGEST_TEXT = 500

Figure = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a run; figures are (value, low, high) of a 95 % interval, or NaN."""

    headline: str
    sentence: str
    before: Figure
    after: Figure
    words: Sequence[str] = ("after", "before")


@dataclass(frozen=True, slots=True)
class Example:
    """What was held out: its texts, the right answer, the model's before and after training."""

    texts: Sequence[str]
    right: str
    before: str
    after: str
    is_better: bool


@dataclass(frozen=True, slots=True)
class Run:
    """What happened in training, as plain data.

    Attributes:
        facts: a name, a value and the reason for each choice, in order.
        losses, learning_rates: float (n,), at each step, from step 1 on.
        metric: the name of what was evaluated.
        evaluations: a step and the metric's value then, in the order of steps; () if none.
        best: the place of the evaluation whose weights were kept.
        verdict: None where nothing was held out to judge by.
        examples, changes: those whose answers changed most, and what to know of them.
    """

    title: str
    facts: Sequence[tuple[str, str, str]]
    losses: ArrayLike
    learning_rates: ArrayLike
    metric: str = ""
    evaluations: Sequence[tuple[float, float]] = ()
    best: int | None = None
    verdict: Verdict | None = None
    examples: Sequence[Example] = ()
    changes: str = ""


def write_training(path: str | os.PathLike[str], run: Run) -> None:
    """Write the page of a training run as one HTML file, which appears whole or not at all.

    Of a long run each point of a curve is the mean of its steps, with their lowest and highest; a
    loss that is not finite is a gap. Texts are data in the page, never markup; of each the first
    500 characters are kept. TableError where the file cannot be written.
    """
    evaluated = np.array([tuple(pair) for pair in run.evaluations]).reshape(-1, 2)
    losses = np.asarray(run.losses, dtype=np.float64)
    steps = np.arange(1, len(losses) + 1)
    page = {
        "evaluations": len(evaluated),
        "facts": run.facts,
        "loss": _curve(steps, losses),
        "strange": int((~np.isfinite(losses)).sum()),
        "rate": _curve(steps, np.asarray(run.learning_rates, dtype=np.float64)),
        "name": run.metric,
        "metric": _curve(evaluated[:, 0], evaluated[:, 1]),
        "best": None if run.best is None else run.evaluations[run.best],
        "verdict": run.verdict and asdict(run.verdict),
        "examples": [asdict(example) for example in run.examples],
        "changes": run.changes,
    }
    write_page(path, "training", ("training.js",), run.title, _for_json(page))


def _curve(steps: NDArray[Any], values: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Neighbouring points together in buckets: their first and last step, mean, low and high."""
    n, buckets = len(steps), min(len(steps), _BUCKETS)
    starts = np.arange(buckets) * n // max(buckets, 1)
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore", over="ignore"):  # a bucket without a finite value is NaN
        totals = np.add.reduceat(np.where(finite, values, 0), starts)
        means = totals / np.add.reduceat(finite.astype(np.float64), starts)
    return {
        "first": steps[starts],
        "last": steps[np.append(starts[1:], n)[:buckets] - 1],
        "mean": means,
        "low": np.minimum.reduceat(np.where(finite, values, np.inf), starts),
        "high": np.maximum.reduceat(np.where(finite, values, -np.inf), starts),
        "smooth": _moving_average(means),
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


def _for_json(value: Any) -> Any:
    """Texts cut; numbers that JSON does not have, NaN and infinities, as null."""
    if isinstance(value, str):
        return shortened(value, _LONGEST_TEXT)
    if isinstance(value, dict):
        return {name: _for_json(each) for name, each in value.items()}
    if isinstance(value, np.ndarray):
        return _for_json(value.tolist())
    if isinstance(value, Sequence):
        return [_for_json(each) for each in value]
    return value if value is None or np.isfinite(value) else None
