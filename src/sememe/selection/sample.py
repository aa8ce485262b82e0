"""What the user has: labelled items, texts without labels, and answers to what was asked."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sememe.arguments import is_missing
from sememe.data.checks import read_scores
from sememe.data.reading import Data, Roles, read_all
from sememe.errors import InputError
from sememe.evaluation.kinds import Kind, RerankingTask, RetrievalTask, Task, TextTask
from sememe.evaluation.tasks import load_task
from sememe.tables import Source, Table, read_texts
from sememe.tables.table import choose_column, choose_columns
from sememe.text import sentences

Work = Literal["search", "cluster", "pairs", "classify"]

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
_OTHERS = 2000


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
        data: labelled data as `load_task` takes it, where rows without a label are texts; or texts
            without any label.
        work: what it is for, where the columns do not say it.
        columns: which column is what.
        labels: answers to what `Selection.ask` wrote.
        queries: for search without labels.

    Raises:
        TableError, InputError: data that cannot be used, as `load_task`'s; texts without labels
            and without `work`.
    """
    is_folder = isinstance(data, str | os.PathLike) and Path(data).is_dir()
    if is_folder or (isinstance(data, Mapping) and "corpus" in data):
        judged = load_task(data, task="retrieval")
        assert isinstance(judged, RetrievalTask)
        _check_work(judged, work)
        return Sample("search", judged.name, judged, judged.documents, judged.queries)
    table = read_all(data)
    roles = {} if columns is None else dict(columns)
    labelled = _labelled(table, roles)
    answers = None if labels is None else _answers(labels)
    if answers is not None and "query" in answers.columns:
        base = _unlabelled(table, "search", roles, queries)
        return _judged(base, answers)
    if labelled is None and answers is None:
        return _unlabelled(table, work, roles, queries)
    further = [] if labelled is not None else _texts(table, roles)
    if answers is not None:
        labelled, roles = _joined(labelled, answers, roles), {}
    assert labelled is not None
    _check_columns(labelled, roles, work)
    task = load_task(labelled, task=_OF_TEXTS.get(work or ""), columns=roles or None)
    _check_work(task, work)
    texts = list(dict.fromkeys([*task.texts(), *further]))
    if isinstance(task, RerankingTask):
        texts = list(dict.fromkeys(chain.from_iterable(task.candidates)))
    elif isinstance(task, TextTask):
        texts = list(dict.fromkeys([*task.items, *_texts(table, columns or {})]))
        if task.kind == "groups":
            others = texts[len(dict.fromkeys(task.items)) :][:_OTHERS]
            task = replace(task, others=others)
    weights = _weights(labelled, task)
    return Sample(WORK[task.kind], task.name, task, texts, [], None, weights)


def _check_columns(table: Table, roles: Mapping[str, Any], work: Work | None) -> None:
    """Refuse columns that could be several things, in the words that `select` has for them."""
    file = table.source.file
    for named in roles.values():
        choose_columns(list(table.columns), named, file)
    words = {*roles, *(name.strip().casefold() for name in table.columns)}
    if words >= {"text", "label"} and work not in _OF_TEXTS:
        raise InputError(
            f"{file} has the columns text and label, which are for groups or for classes: say "
            'which, with --task cluster or --task classify (in Python, task="cluster").'
        )
    if words >= {"score", "label"}:
        raise InputError(
            f"{file} has both a score and a label for each row: remove one of these columns."
        )


def _check_work(task: Task, work: Work | None) -> None:
    if work not in (None, WORK[task.kind]):
        raise InputError(
            f"{task.name} is labelled for {WORK[task.kind]} ({task.kind}), not for {work}: leave "
            "--task (task=) out, or give other data."
        )


def _filled(table: Table, label: str) -> Table | None:
    """The rows whose label is not empty; None if there are none."""
    values = table.columns[label]
    rows = [i for i, value in enumerate(values) if not is_missing(value) and str(value).strip()]
    return table.take(rows) if rows else None


def _labelled(table: Table, roles: Mapping[str, Any]) -> Table | None:
    """The rows that say what is right, if there are any."""
    for name in table.columns:
        if name.strip().casefold() in _LABELS or name in [roles.get(word) for word in _LABELS]:
            return _filled(table, name)
    return None


def _answers(labels: Data) -> Table:
    """The rows of an answered file that have a label."""
    table = read_all(labels)
    filled = _filled(table, "label") if "label" in table.columns else None
    if filled is None:
        raise InputError(
            f"{table.source.file} has nothing in the column label: fill in what --ask wrote."
        )
    return filled


def _joined(labelled: Table | None, answers: Table, roles: Mapping[str, Any]) -> Table:
    """Answers behind the labels that were there before, as far as both have the columns."""
    if labelled is None or "text" not in answers.columns:
        return answers
    label = roles.get("label", "label")
    texts, labels = _texts(labelled, roles), map(str, labelled.columns[label])
    columns = {
        "text": [*texts, *answers.text_column("text")],
        "label": [*labels, *map(str, answers.columns["label"])],
    }
    return Table(columns, Source(answers.source.file, "row", range(1, len(columns["text"]) + 1)))


def _texts(table: Table, roles: Mapping[str, Any]) -> list[str]:
    columns, how = list(table.columns), '--columns text=NAME (in Python, columns={"text": NAME})'
    names = roles.get("text") or choose_column(columns, None, table.source.file, how)
    return [text for text in table.text_column(names) if text.strip()]


def _unlabelled(
    table: Table,
    work: Work | None,
    roles: Mapping[str, Any],
    queries: Sequence[str] | str | os.PathLike[str] | None,
) -> Sample:
    if work is None:
        raise InputError(
            f"{table.source.file} has no labels, so it does not say what it is for: say it, with "
            '--task search, cluster, pairs or classify (in Python, task="search").'
        )
    texts = list(dict.fromkeys(_texts(table, roles)))
    if work != "search":
        return Sample(work, table.source.file, None, texts, [])
    if queries is not None:
        is_file = isinstance(queries, str | os.PathLike)
        questions = read_texts(queries) if is_file else list(queries)  # type: ignore[arg-type]
        return Sample(work, table.source.file, None, texts, list(questions))
    random = np.random.default_rng(0)
    sources = random.permutation(len(texts))[:_MADE_QUERIES].tolist()
    parts = [sentences(texts[source]) or [texts[source]] for source in sources]
    made = [part[int(random.integers(len(part)))] for part in parts]
    return Sample(work, table.source.file, None, texts, made, sources)


def _judged(base: Sample, answers: Table) -> Sample:
    """The sample with the queries that answers were found for, and their documents."""
    name, place = answers.source.file, {text: row for row, text in enumerate(base.texts)}
    grades: dict[str, dict[int, float]] = {}
    query_texts, documents = answers.text_column("query"), answers.text_column("document")
    judgements = zip(query_texts, documents, read_scores(answers, "label"), strict=True)
    for row, (query, document, grade) in enumerate(judgements):
        if document not in place:
            where = answers.source.where(row)
            raise InputError(f"{where}: this document is not in {base.name}; leave it out.")
        if grade > 0:
            grades.setdefault(query, {})[place[document]] = grade
    if not grades:
        raise InputError(f"{name}: no document answers any query; give 1 to those that do.")
    for query, source in zip(base.queries, base.sources or (), strict=False):
        if query in grades:
            grades[query].setdefault(source, -1.0)
    task = RetrievalTask(name, list(grades), base.texts, list(grades.values()))
    weights = None
    if "weight" in answers.columns:
        weight_of = dict(zip(query_texts, read_scores(answers, "weight"), strict=True))
        weights = np.array([weight_of[query] for query in grades])
    return replace(base, task=task, weights=weights)


def _weights(table: Table, task: Task) -> npt.NDArray[np.float64] | None:
    if "weight" not in table.columns or len(table) != len(task):
        return None
    return np.array(list(read_scores(table, "weight")))
