"""What is most worth labelling: a table with an empty column, whose answers `select` reads again.

Measured on 21 data sets (docs/decisions/select.md): queries with all documents in question tell far
more than single judgements, and texts with their group more than pairs of texts; queries and pairs
tell most where the best candidates disagree. Chosen so, they are no sample like any other: `weight`
is the inverse of the chance of each to be chosen, by which the printed figure makes up for that.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sememe.errors import InputError
from sememe.evaluation.metrics import rank_scores
from sememe.evaluation.systems import EncoderSystem
from sememe.selection.jury import Material, without_sources
from sememe.tables import write_table

if TYPE_CHECKING:
    from sememe.selection.candidates import Candidate
    from sememe.selection.result import Selection

_JUDGES = 4  # candidates whose disagreement counts, of as many families
_FIRST = 10  # documents of a ranking in which they can disagree
_SHOWN = 5  # documents of each ranking that are shown
_LEAST = 0.1  # of the mean chance: what nobody disagrees on can be chosen, too


def write_questions(selection: "Selection", count: int, path: str | os.PathLike[str]) -> int:
    """Write the questions; see `Selection.ask`.

    Raises:
        InputError: nothing without a label is left.
    """
    work, random = selection.sample.work, np.random.default_rng(0)
    judges = _judges(selection)
    if work == "search":
        columns = _queries(selection, judges, count, random)
    elif work == "pairs":
        columns = _pairs(selection, judges, count, random)
    else:
        columns = _texts(selection, count, random)
    rows = len(columns["label"])
    if not rows:
        raise InputError(
            f"{selection.sample.name} has nothing left without a label: add rows whose label is "
            "empty (for search, queries=)."
        )
    write_table(path, columns)
    return rows


def _judges(selection: "Selection") -> list["Candidate"]:
    """The best candidate of each of the best families, those that nothing tells apart first."""
    ranked = sorted(
        selection.scores, key=lambda name: (name not in selection.equals, -selection.scores[name])
    )
    by_name = {each.name: each for each in selection.candidates}
    best: dict[str, Candidate] = {}
    for name in ranked:
        if not by_name[name].how:  # what learned from the labels has none of these to learn from
            best.setdefault(by_name[name].family, by_name[name])
    return list(best.values())[:_JUDGES]


def _texts(selection: "Selection", count: int, random: np.random.Generator) -> dict[str, Any]:
    task: Any = selection.sample.task
    labelled = set(task.items) if task is not None else set()
    left = [text for text in selection.sample.texts if text not in labelled]
    texts = [left[i] for i in random.permutation(len(left))[:count]]
    return {"text": texts, "label": [""] * len(texts)}


def _queries(
    selection: "Selection", judges: Sequence["Candidate"], count: int, random: np.random.Generator
) -> dict[str, Any]:
    sample, task = selection.sample, selection.sample.task
    labelled = set(getattr(task, "queries", ()))
    queries = [query for query in dict.fromkeys(sample.queries) if query not in labelled]
    columns: dict[str, list[Any]] = {"query": [], "document": [], "label": [], "weight": []}
    source_of = dict(zip(sample.queries, sample.sources or (), strict=False))
    depth = min(_FIRST, len(sample.texts) - bool(source_of))
    if not queries or not depth:
        return columns
    enough = depth + bool(source_of)
    orders = [each.system.rank(queries, sample.texts, enough)[0] for each in judges]
    if source_of:
        sources = [source_of[query] for query in queries]
        orders = [without_sources(each, sources) for each in orders]
    rankings = np.stack([each[:, :depth] for each in orders], axis=1)
    different = np.array([len(np.unique(row)) for row in rankings]) / depth - 1
    rows, weights = _chosen(different.astype(float), count, random)
    for row, weight in zip(rows.tolist(), weights.tolist(), strict=True):
        for place in dict.fromkeys(rankings[row, :, :_SHOWN].T.ravel().tolist()):
            columns["query"].append(queries[row])
            columns["document"].append(sample.texts[place])
            columns["label"].append("")
            columns["weight"].append(round(weight, 4))
    return columns


def _pairs(
    selection: "Selection", judges: Sequence["Candidate"], count: int, random: np.random.Generator
) -> dict[str, Any]:
    material = Material(selection.sample)
    base = next((each.system for each in judges if isinstance(each.system, EncoderSystem)), None)
    labelled = set(material.pairs)
    material.pairs = []
    if base is not None:
        material.pair_up(base)
    pairs = [pair for pair in dict.fromkeys(material.pairs) if pair not in labelled]
    if not pairs:
        return {"sentence1": [], "sentence2": [], "label": []}
    ranks = [rank_scores(each.system.score(pairs)) / len(pairs) for each in judges]
    rows, weights = _chosen(np.std(ranks, axis=0), count, random)
    return {
        "sentence1": [pairs[i][0] for i in rows],
        "sentence2": [pairs[i][1] for i in rows],
        "label": [""] * len(rows),
        "weight": weights.round(4).tolist(),
    }


def _chosen(
    disagreement: npt.NDArray[np.float64], count: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Items drawn by their disagreement, and the inverse of each one's chance, 1 on average."""
    floor = _LEAST * max(float(disagreement.mean()), 1e-9)
    chances = np.maximum(disagreement, floor)
    chances /= chances.sum()
    count = min(count, len(chances))
    rows = random.choice(len(chances), count, replace=False, p=chances)
    # The chance to be among them, as if each were drawn anew; exact for few of many.
    weights = 1 / -np.expm1(count * np.log1p(-np.minimum(chances[rows], 1 - 1e-9)))
    return rows, weights / weights.mean()
