"""What the user has: labelled items, texts without labels, and answers to what was asked."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.arguments import is_missing
from sememe.data.reading import Data, Roles, read_blocks
from sememe.errors import InputError
from sememe.evaluation.kinds import RetrievalTask
from sememe.evaluation.tasks import Kind, Task, load_task
from sememe.selection.prior import Work
from sememe.tables import Table, read_texts
from sememe.tables.table import choose_columns
from sememe.text import sentences

WORK: dict[str, Work] = {
    "retrieval": "search",
    "reranking": "search",
    "groups": "cluster",
    "similarity": "pairs",
    "pairs": "pairs",
    "triplets": "pairs",
    "classes": "classify",
}
"""What people do with what each kind of task measures."""

_OF_TEXTS: dict[str, Kind] = {"cluster": "groups", "classify": "classes"}
_LABELS = {"label", "score", "positive"}
_MADE_QUERIES = 200


@dataclass(frozen=True)
class Sample:
    """Labelled items and texts without labels, for a kind of work.

    Attributes:
        work: search, cluster, pairs or classify.
        name: where they came from.
        task: the labelled items; None without any.
        texts: all texts; for search the documents.
        queries: for search without labels, the user's own, or sentences of the documents.
        sources: of a query that is a sentence, the place of its document, which is no answer to it.
        weights: float (items,), the inverse of the chances by which the items were chosen to be
            labelled; None where they are a sample like any other.
    """

    work: Work
    name: str
    task: Task | None
    texts: list[str]
    queries: list[str]
    sources: list[int] | None = None
    weights: npt.NDArray[np.float64] | None = None


def read_sample(
    data: Data | Mapping[str, Data],
    work: Work | None = None,
    columns: Roles = None,
    labels: Data | None = None,
    queries: Sequence[str] | str | os.PathLike[str] | None = None,
) -> Sample:
    """Read what `select` takes.

    Args:
        data: labelled data as `load_task` takes it, of which cells without a label count as texts;
            or texts without any label.
        work: what it is for, where the columns do not say it.
        columns: which column is what.
        labels: answers to what `Selection.ask` wrote.
        queries: for search without labels.

    Raises:
        TableError, InputError: data that cannot be used, as `load_task`'s; texts without labels
            and without `work`.
    """
    if (isinstance(data, Mapping) and "corpus" in data) or _is_folder(data):
        task = load_task(data)
        assert isinstance(task, RetrievalTask)
        return Sample("search", task.name, task, task.documents, task.queries)
    (table,) = read_blocks(data, lambda names, _: names, inf)  # type: ignore[arg-type]
    answers, weights = _filled(labels) if labels is not None else (None, None)
    roles = {} if columns is None else dict(columns)
    label = _label_column(table, roles)
    if label is None and answers is None:
        return _unlabelled(table, work, roles, queries)
    if label is None or answers is not None:
        return _answered(table, work, roles, label, answers, weights, queries)
    filled = [row for row, value in enumerate(table.columns[label]) if not _is_blank(value)]
    if not filled:
        return _unlabelled(table, work, roles, queries)
    task = load_task(table.take(filled), task=_OF_TEXTS.get(work or ""), columns=columns)
    if work not in (None, WORK[task.kind]):
        raise InputError(
            f"{table.source.file} holds labelled {task.kind}, which are for {WORK[task.kind]}; "
            f"leave task={work!r} out, or give other data."
        )
    texts = task.texts()
    if task.kind in ("groups", "classes"):
        texts = list(dict.fromkeys([*texts, *_texts(table, roles)]))
    return Sample(WORK[task.kind], task.name, task, texts, [], None, _weights(table, filled, task))


def _is_folder(data: Any) -> bool:
    return isinstance(data, str | os.PathLike) and Path(data).is_dir()


def _is_blank(value: object) -> bool:
    return is_missing(value) or not str(value).strip()


def _label_column(table: Table, roles: Mapping[str, Any]) -> str | None:
    """The column that says what is right, if there is one."""
    for name in table.columns:
        if name.strip().casefold() in _LABELS or name in [roles.get(word) for word in _LABELS]:
            return name
    return None


def _texts(table: Table, roles: Mapping[str, Any]) -> list[str]:
    names = choose_columns(list(table.columns), roles.get("text"), table.source.file)
    return [text for text in table.text_column(names) if text.strip()]


def _unlabelled(
    table: Table,
    work: Work | None,
    roles: Mapping[str, Any],
    queries: Sequence[str] | str | os.PathLike[str] | None,
) -> Sample:
    if work is None:
        raise InputError(
            f"{table.source.file} has no labels, so it does not say what it is for: give "
            "task= search, cluster, pairs or classify (--task on the command line)."
        )
    texts = list(dict.fromkeys(_texts(table, roles)))
    if work != "search":
        return Sample(work, table.source.file, None, texts, [])
    if queries is not None:
        is_file = isinstance(queries, str | os.PathLike)
        own = read_texts(queries).texts if is_file else list(queries)  # type: ignore[arg-type]
        return Sample(work, table.source.file, None, texts, list(own))
    random = np.random.default_rng(0)
    sources = random.permutation(len(texts))[:_MADE_QUERIES].tolist()
    parts = [sentences(texts[source]) or [texts[source]] for source in sources]
    made = [part[int(random.integers(len(part)))] for part in parts]
    return Sample(work, table.source.file, None, texts, made, sources)


def _filled(labels: Data) -> tuple[Table, list[int]]:
    """The rows of an answered file that have a label."""
    (table,) = read_blocks(labels, lambda names, _: names, inf)
    if "label" not in table.columns:
        raise InputError(f'{table.source.file} has no column "label": give what --ask wrote.')
    rows = [row for row, value in enumerate(table.columns["label"]) if not _is_blank(value)]
    if not rows:
        raise InputError(f"{table.source.file}: the column label is still empty; fill it in.")
    return table, rows


def _answered(
    table: Table,
    work: Work | None,
    roles: Mapping[str, Any],
    label: str | None,
    answers: Table | None,
    rows: list[int] | None,
    queries: Any,
) -> Sample:
    """The user's texts, of which answers say what is right."""
    assert answers is not None and rows is not None
    part = answers.take(rows)
    if work is None:
        work = (
            "search"
            if "query" in part.columns
            else "pairs"
            if "sentence1" in part.columns
            else None
        )
    if work is None:
        raise InputError("the answers are labels of texts: say task= cluster or classify.")
    if label is not None and work in _OF_TEXTS:  # labels that were there before count too
        kept = [row for row, value in enumerate(table.columns[label]) if not _is_blank(value)]
        part = Table(
            {
                "text": [
                    *table.take(kept).text_column(
                        choose_columns(list(table.columns), roles.get("text"), table.source.file)
                    ),
                    *part.columns["text"],
                ],
                "label": [
                    *(str(table.columns[label][row]) for row in kept),
                    *map(str, part.columns["label"]),
                ],
            },
            part.source,
        )
    base = _unlabelled(table, work, roles, queries)
    if work == "search":
        return replace(base, task=_judged(base, part), weights=None)
    task = load_task(part, task=_OF_TEXTS.get(work))
    return replace(base, task=task, weights=_weights(part, list(range(len(rows))), task))


def _judged(base: Sample, part: Table) -> RetrievalTask:
    """Queries and the documents that were said to answer them."""
    place = {text: row for row, text in enumerate(base.texts)}
    grades: dict[str, dict[int, float]] = {}
    for query, document, value in zip(
        part.text_column("query"), part.text_column("document"), part.columns["label"], strict=True
    ):
        if document not in place:
            raise InputError(
                f"{part.source.file} judges a document that is not in {base.name}: {document[:60]!r}."
            )
        grade = float(str(value))
        judged = grades.setdefault(query, {})
        if grade > 0:
            judged[place[document]] = grade
    answered = {query: judged for query, judged in grades.items() if judged}
    if not answered:
        raise InputError(f"{part.source.file}: no document answers any query; label some with 1.")
    return RetrievalTask(part.source.file, list(answered), base.texts, list(answered.values()))


def _weights(table: Table, rows: Sequence[int], task: Task) -> npt.NDArray[np.float64] | None:
    if "weight" not in table.columns or len(rows) != len(task):
        return None
    return np.array([float(str(table.columns["weight"][row])) for row in rows])
