"""The page of a selection: quality against cost, the table, and where candidates disagree."""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sememe.evaluation.kinds import PairTask, RetrievalTask, TextTask
from sememe.evaluation.metrics import rank_scores
from sememe.reports import shortened, write_page
from sememe.selection.verdict import table

if TYPE_CHECKING:
    from sememe.selection.result import Selection

_EXAMPLES = 12
_COMPARED = 3  # candidates whose answers stand side by side
_LONGEST = 300


def write_report(selection: "Selection", path: str | os.PathLike[str]) -> None:
    """Write one HTML file that opens offline; TableError where it cannot be written."""
    names, meaning, examples = disagreements(selection)
    has_choice = bool(selection.equals)
    choice = next(
        (row for row in selection.rows if has_choice and row.name == selection.choice), None
    )
    figure = choice.quality if choice else None
    page = {
        "headline": selection.choice if has_choice else "No candidate keeps the limits",
        "summary": f"{selection.metric} {figure.with_margin()}" if figure else "",
        "verdict": selection.verdict,
        "code": selection.code.split("\n") if has_choice else [],
        "command": selection.command if has_choice else "",
        "metric": selection.metric,
        "points": [
            {
                "name": row.name,
                "kind": row.kind,
                "seconds": max(row.projection.seconds, 1e-3),
                "value": 100 * (row.quality.value if row.quality else row.prior or 0.0),
                "low": 100 * row.quality.low if row.quality else None,
                "high": 100 * row.quality.high if row.quality else None,
                "front": row.is_on_front,
                "chosen": row is choice,
            }
            for row in selection.rows
            if row.projection is not None and (row.quality or row.prior is not None)
        ],
        "table": table(selection),
        "compared": names,
        "meaning": meaning,
        "examples": examples,
    }
    title = f"Which encoder for {selection.sample.name}"
    write_page(path, "selection", ("selection.js",), title, page)


def disagreements(selection: "Selection") -> tuple[list[str], str, list[dict[str, Any]]]:
    """The best candidates of some families, what their answers mean, and what they differ on most.

    Each item has its texts, the right answer ("" where there is none to show), and an answer of
    each candidate, marked by whether none is closer to the right one.
    """
    task = selection.sample.task
    names = [] if task is None else _compared(selection)
    if task is None or len(names) < 2:
        return [], "", []
    answers = [selection.state.measured[name].values for name in names]
    shown: tuple[Callable[[int], Sequence[str]], Callable[[int], str], list[list[str]], Any]
    if isinstance(task, TextTask):
        meaning = "The label that each candidate gives."
        if task.kind == "groups":
            meaning = "The label that most texts of its group have."
        shown = _labels(task, answers)
    elif isinstance(task, PairTask):
        meaning = "The place of each pair among all, the most similar first; right: its label."
        shown = _places(task, answers)
    else:
        meaning = f"{selection.metric} of each item, times 100."
        queries = task.queries if isinstance(task, RetrievalTask) else task.texts()
        values = [[f"{100 * value:.0f}" for value in each] for each in answers]
        shown = (lambda i: [queries[i]]), (lambda _: ""), values, np.array(answers)
    texts, right, cells, merits = shown
    spread = np.ptp(merits, axis=0)
    order = [int(i) for i in np.argsort(-spread, kind="stable")[:_EXAMPLES] if spread[i] > 0]
    examples = [
        {
            "texts": [shortened(text, _LONGEST) for text in texts(i)],
            "right": right(i),
            "answers": [each[i] for each in cells],
            "best": [bool(merit[i] == merits[:, i].max()) for merit in merits],
        }
        for i in order
    ]
    return names, f"{meaning} ▲: the best answer.", examples


def _compared(selection: "Selection") -> list[str]:
    best: dict[str, str] = {}
    measured = selection.state.measured
    alive = sorted(selection.state.alive, key=lambda name: -measured[name].value)
    choice = [selection.choice] * bool(selection.equals)
    for name in [*choice, *alive]:
        values = measured[name].values
        if not any(np.array_equal(values, measured[other].values) for other in best.values()):
            best.setdefault(selection.families[name], name)
    return list(best.values())[:_COMPARED]


def _labels(task: TextTask, answers: list[NDArray[Any]]) -> Any:
    """Labels that were predicted, or that most of a text's group have."""
    columns = []
    for each in answers:
        column = each if each.ndim == 1 else each[:, 0]
        if task.kind == "groups":
            groups = range(int(column.max()) + 1)
            size = len(task.labels)
            most = [
                int(np.bincount(task.gold[column == g], minlength=size).argmax()) for g in groups
            ]
            column = np.array(most)[column]
        columns.append(column)
    merits = np.array([column == task.gold for column in columns], float)
    cells = [[task.labels[int(value)] for value in column] for column in columns]
    return (lambda i: [task.items[i]]), (lambda i: task.labels[int(task.gold[i])]), cells, merits


def _places(task: PairTask, answers: list[NDArray[Any]]) -> Any:
    """The place of each pair among all, the most similar first, against the right one."""
    ranks = [rank_scores(-1.0 * each, "min") for each in answers]
    truth = rank_scores(-1.0 * task.gold)
    merits = -np.array([np.abs(each - truth) for each in ranks])
    cells = [[f"{rank:.0f} of {len(truth)}" for rank in each] for each in ranks]
    return (lambda i: list(task.pairs[i])), (lambda i: f"{task.gold[i]:g}"), cells, merits
