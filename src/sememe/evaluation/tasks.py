"""Labelled data from anywhere as a task, by the names of its columns or of its three tables."""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sememe.arguments import one_of, shown
from sememe.data import checks
from sememe.data.reading import Data, Roles, read_blocks
from sememe.errors import ChoiceWarning, InputError, SememeWarning, TableError, warn
from sememe.evaluation.kinds import (
    KINDS,
    Array,
    Kind,
    PairTask,
    RerankingTask,
    RetrievalTask,
    Task,
    TextTask,
    TripletTask,
)
from sememe.progress import counted
from sememe.tables import Table
from sememe.tables.files import FORMATS
from sememe.tables.table import PAIR_NAMES, choose_columns

__all__ = ["KINDS", "Kind", "Task", "load_task"]

_FEW = 20
"""Fewer items than these tell next to nothing."""
_QUERIES = ("query", "question", "anchor")
_NEGATIVE = re.compile(r"negative(_\d+)?")
_WORDS = {word for pair in PAIR_NAMES for word in pair} | {
    "text", "label", "score", "split", "query_id"
}  # fmt: skip
_TABLES = ("corpus", "queries", "qrels")
_IDS = {
    "corpus": ("doc_id", "document_id", "corpus_id", "docid", "_id", "id"),
    "queries": ("query_id", "qid", "_id", "id"),
}
_COLUMNS_OF_KINDS = (
    "These columns make data to measure on: sentence1, sentence2 and score (similarity) or label "
    "(pairs); anchor, positive and negative (triplets); query, document and label (reranking); "
    "query and document (retrieval); text and label (groups or classes). A folder with the tables "
    "corpus, queries and qrels is retrieval."
)


def load_task(
    data: Data | Mapping[str, Data],
    *,
    task: Kind | None = None,
    columns: Roles = None,
    split: str | None = None,
    positive: str | int | None = None,
    protocol: Literal["mteb"] | None = None,
) -> Task:
    """Read labelled data to measure on; what makes the kind is the names of the columns.

    Args:
        data: a file, a frame, a dict of columns or a list of dicts (see `sememe.data.load`); or a
            folder, or a dict, of the three tables corpus, queries and qrels, as BEIR has them.
        task: the kind, where the columns could be several: text and label are "groups" or
            "classes".
        columns: which column is what, such as {"text": "question", "label": "intent"}, where their
            names do not say it.
        split: which rows to measure on, by the column split; None takes "test" where there is one,
            and "all" all rows. Classes are learned from the rows whose split is "train".
        positive: the label that means that two texts are alike, where it is not plain.
        protocol: "mteb" to measure classes as MTEB does.

    Raises:
        TableError: columns that make no kind or several (which), a value that cannot be used.
        InputError: labels that are all the same, judgements of unknown documents, a task that the
            columns do not make.

    Example:
        >>> task = load_task({"anchor": ["a cat"], "positive": ["a kitten"], "negative": ["a bus"]})
        >>> task.kind, len(task)
        ('triplets', 1)
    """
    if task is not None:
        one_of("task", task, KINDS)
    if (tables := _three_tables(data, split)) is not None:
        if task not in (None, "retrieval"):
            raise InputError(f"The tables corpus, queries and qrels are retrieval, not {task}.")
        return _noted(_retrieval(tables, split))
    roles: dict[str, list[str]] = {}

    def pick(names: Sequence[str], file: str) -> list[str]:
        roles.update(_roles(names, file, columns))
        return list(dict.fromkeys(name for named in roles.values() for name in named))

    (table,) = read_blocks(data, pick, inf)
    kind = _kind(set(roles), list(table.columns), table.source.file, task)
    rows = _Rows(table, roles, split)
    return _noted(_READERS[kind](rows, kind, positive, protocol))


class _Rows:
    """The rows that are measured, and the others, of a table whose columns have roles."""

    def __init__(self, table: Table, roles: dict[str, list[str]], split: str | None) -> None:
        self.roles = roles
        self.name = table.source.file
        if "split" not in roles and split not in (None, "all"):
            raise TableError(f'{self.name} has no column "split", from which to take {split!r}.')
        self.all = table
        splits = _strings(table, roles["split"][0]) if "split" in roles else []
        self.split = _chosen_split(splits, split, self.name)
        self.measured, self.train = list(range(len(table))), list[int]()
        if self.split is not None:
            self.measured = [i for i, value in enumerate(splits) if value == self.split]
            self.train = [i for i, value in enumerate(splits) if value == "train" != self.split]
        self.table = table.take(self.measured) if self.split else table

    def texts(self, *words: str) -> list[tuple[str, ...]]:
        """The texts of the measured rows; those that other splits have too are counted."""
        every = checks.read_texts(self.all, [self.roles[word] for word in words])
        rows = [every[i] for i in self.measured]
        if self.split is not None:
            inside = set(self.measured)
            others = {text for i, row in enumerate(every) if i not in inside for text in row}
            shared = sum(1 for row in rows if not others.isdisjoint(row))
            if shared:
                warn(
                    f"{shared:,} of {counted(len(rows), 'row')} of {self.name} to measure on have "
                    "a text that is in another split too: what was trained on it looks better than "
                    "it is.",
                    SememeWarning,
                )
        return rows

    def labels(self, rows: Sequence[tuple[str, ...]]) -> list[str]:
        """The labels of the measured rows; contradictions are counted."""
        labels = list(checks.read_labels(self.table, self.roles["label"][0]))
        first: dict[tuple[str, ...], int] = {}
        other = [i for i, row in enumerate(rows) if labels[first.setdefault(row, i)] != labels[i]]
        if other:
            where = self.table.source.where
            warn(
                f"{len(other):,} of {counted(len(rows), 'row')} of {self.name} give a text another "
                f"label than a row before (first: {where(other[0])}, after "
                f"{where(first[rows[other[0]]])}): no system can be right about both.",
                SememeWarning,
            )
        return labels

    def pair(self) -> tuple[str, str]:
        """The two words whose columns are the pairs."""
        return next(pair for pair in PAIR_NAMES if self.roles.keys() >= {*pair})


def _similarity(rows: _Rows, *_: Any) -> Task:
    pairs = rows.texts(*rows.pair())
    gold = np.array(list(checks.read_scores(rows.table, rows.roles["score"][0])))
    if np.ptp(gold) == 0:
        raise InputError(f"{rows.name}: every score is {gold[0]:g}: there is no order to find.")
    return PairTask("similarity", rows.name, _pairs(pairs), gold)


def _labelled_pairs(rows: _Rows, _: Kind, positive: str | int | None, __: Any) -> Task:
    texts = rows.texts(*rows.pair())
    labels = rows.labels(texts)
    names = _names(labels, rows.name)
    place = checks.positive_label(names) if positive is None else _place(positive, names, rows.name)
    if place is None:
        raise InputError(
            f"{rows.name} has the labels {', '.join(names)}: say which of them means that two "
            "texts are alike with --positive LABEL (in Python, positive=...)."
        )
    gold = np.array([int(label == names[place]) for label in labels])
    return PairTask("pairs", rows.name, _pairs(texts), gold)


def _triplets(rows: _Rows, *_: Any) -> Task:
    negatives = [word for word in rows.roles if _NEGATIVE.fullmatch(word)]
    return TripletTask(rows.name, rows.texts("anchor", "positive", *negatives))


def _reranking(rows: _Rows, *_: Any) -> Task:
    texts = rows.texts(*rows.pair())
    grades = _grades(rows.labels(texts), rows.name)
    ids: Sequence[object] = [query for query, _ in texts]
    if "query_id" in rows.roles:
        ids = rows.table.columns[rows.roles["query_id"][0]]
    members: dict[object, list[int]] = {}
    for i, key in enumerate(ids):
        members.setdefault(key, []).append(i)
    kept = [group for group in members.values() if grades[group].max() > 0]
    _check_answered(len(kept), len(members), rows.name)
    return RerankingTask(
        rows.name,
        [texts[group[0]][0] for group in kept],
        [[texts[i][1] for i in group] for group in kept],
        [grades[group] for group in kept],
    )


def _answers(rows: _Rows, *_: Any) -> Task:
    """Pairs of a query and its document: each query's among those of all."""
    texts = rows.texts(*rows.pair())
    documents = list(dict.fromkeys(document for _, document in texts))
    place = {document: i for i, document in enumerate(documents)}
    grades: dict[str, dict[int, float]] = {}
    for query, document in texts:
        grades.setdefault(query, {})[place[document]] = 1.0
    return RetrievalTask(rows.name, list(grades), documents, list(grades.values()))


def _texts(rows: _Rows, kind: Kind, _: Any, protocol: Literal["mteb"] | None) -> Task:
    texts = rows.texts("text")
    labels = rows.labels(texts)
    names = _names(labels, rows.name)
    items, place = [text for (text,) in texts], {name: i for i, name in enumerate(names)}
    gold = np.array([place[label] for label in labels])
    if kind == "groups" or not rows.train:
        learning = None
    else:
        table = rows.all.take(rows.train)
        known = [text for (text,) in checks.read_texts(table, [rows.roles["text"]])]
        learned = list(checks.read_labels(table, rows.roles["label"][0]))
        names = tuple(dict.fromkeys([*names, *learned]))
        place = {name: i for i, name in enumerate(names)}
        learning = known, np.array([place[label] for label in learned])
        if missing := sorted({*labels} - {*learned}):
            warn(
                f"{rows.name}: {counted(len(missing), 'label')} to measure on, such as "
                f'"{missing[0]}", cannot be learned: no row of the split train has it.',
                SememeWarning,
            )
    return TextTask(kind, rows.name, items, gold, names, learning, protocol)


_READERS: dict[Kind, Callable[..., Task]] = {
    "similarity": _similarity,
    "pairs": _labelled_pairs,
    "triplets": _triplets,
    "reranking": _reranking,
    "retrieval": _answers,
    "groups": _texts,
    "classes": _texts,
}


def _roles(names: Sequence[str], file: str, columns: Roles) -> dict[str, list[str]]:
    """The file's columns by the word of the field that each is called, or that `columns` says."""
    roles = {
        word.strip().casefold(): choose_columns(names, named, file)
        for word, named in (columns or {}).items()
    }
    for word in roles:
        if word not in _WORDS and not _NEGATIVE.fullmatch(word):
            raise InputError(f'columns={shown(columns)}: there is no "{word}". {_COLUMNS_OF_KINDS}')
    taken = {name for named in roles.values() for name in named}
    for name in names:
        word = name.strip().casefold().replace("-", "_")
        if name not in taken and (word in _WORDS or _NEGATIVE.fullmatch(word)):
            roles.setdefault(word, [name])
    return roles


def _kind(words: set[str], names: Sequence[str], file: str, task: Kind | None) -> Kind:
    """The one kind that the words make, or the one that is asked for, if they make it."""
    is_pair = any(words >= {*pair} for pair in PAIR_NAMES)
    is_answer = any(words >= {*pair} for pair in PAIR_NAMES if pair[0] in _QUERIES)
    is_labelled, is_triplet = "label" in words, any(map(_NEGATIVE.fullmatch, words))
    makes: dict[Kind, bool] = {
        "triplets": words >= {"anchor", "positive"} and is_triplet,
        "similarity": is_pair and "score" in words,
        "reranking": is_answer and is_labelled,
        "pairs": is_pair and is_labelled,
        "retrieval": is_answer and not is_labelled and not is_triplet and "score" not in words,
        "groups": words >= {"text", "label"},
        "classes": words >= {"text", "label"},
    }
    kinds = [kind for kind, fits in makes.items() if fits]
    if task in kinds:
        return task
    columns = ", ".join(f'"{name}"' for name in names)
    if task is not None or not kinds:
        aim = f"{task}, and can be measured as {' or '.join(kinds)}" if kinds else "a kind of data"
        raise TableError(
            f"{file} has the columns {columns}, which do not make {aim}. {_COLUMNS_OF_KINDS}"
        )
    if "reranking" in kinds:  # labelled answers are pairs as well
        kinds.remove("pairs")
    if len(kinds) > 1:
        raise TableError(
            f"{file} has the columns {columns}, which can be measured as {' or '.join(kinds)}: say "
            f'which with --task {kinds[0]} (in Python, task="{kinds[0]}").'
        )
    return kinds[0]


def _three_tables(data: Any, split: str | None) -> dict[str, Any] | None:
    """The tables of a dict or a folder that has them; None for all other data."""
    if isinstance(data, Mapping) and {*_TABLES} <= {*data}:
        return {name: data[name] for name in _TABLES}
    if not isinstance(data, str | os.PathLike) or not Path(data).is_dir():
        return None
    folder, tables = Path(data), {}
    for name in _TABLES:
        files = [path for path in folder.glob(f"{name}.*") if path.suffix.lower() in FORMATS]
        if name == "qrels" and not files:  # as BEIR has them, a file a split
            files = sorted(folder.glob("qrels/*.tsv"))
            chosen = [path for path in files if path.stem == (split or "test")]
            files = chosen or files
        if not files:
            return None
        tables[name] = files[0]
    return tables


def _retrieval(tables: dict[str, Any], split: str | None) -> Task:
    corpus, queries = (_by_id(tables[each], each) for each in _TABLES[:2])

    def pick(names: Sequence[str], _: str) -> list[str]:
        return list(names)

    (qrels,) = read_blocks(tables["qrels"], pick, inf)
    file, where = qrels.source.file, qrels.source.where
    query_ids, document_ids = (
        _strings(qrels, _column(qrels, words)) for words in (_IDS["queries"], _IDS["corpus"])
    )
    graded = _column(qrels, ("score", "relevance", "label", "grade"), required=False)
    values = list(checks.read_scores(qrels, graded)) if graded else [1.0] * len(qrels)
    rows: Iterable[int] = range(len(qrels))
    if by := _column(qrels, ("split",), required=False):
        splits = _strings(qrels, by)
        chosen = _chosen_split(splits, split, file)
        rows = [i for i in rows if chosen is None or splits[i] == chosen]
    # Of equal scores trec_eval puts the higher id first.
    ids = sorted(corpus, reverse=True)
    place = {each: i for i, each in enumerate(ids)}
    grades: dict[str, dict[int, float]] = {}
    unknown = [i for i in rows if document_ids[i] not in place or query_ids[i] not in queries]
    if unknown:
        first = unknown[0]
        known = document_ids[first] in place
        missing = f'query "{query_ids[first]}"' if known else f'document "{document_ids[first]}"'
        raise InputError(
            f"{where(first)}: there is no {missing} ({len(unknown):,} of "
            f"{counted(len(qrels), 'judgement')} name what is not there): add it, or remove these."
        )
    for i in rows:
        judged = grades.setdefault(query_ids[i], {})
        if values[i] > 0:
            judged[place[document_ids[i]]] = values[i]
    answered = {query: judged for query, judged in grades.items() if judged}
    _check_answered(len(answered), len(grades), file)
    return RetrievalTask(
        file,
        [queries[query] for query in answered],
        [corpus[each] for each in ids],
        list(answered.values()),
    )


def _by_id(data: Any, which: str) -> dict[str, str]:
    """The texts of a corpus or of queries by their ids; a title goes before its text."""
    (table,) = read_blocks(data, lambda names, _: list(names), inf)
    ids = _strings(table, _column(table, _IDS[which]))
    text = table.text_column(_column(table, ("text", "query", "document", "question")))
    title = _column(table, ("title",), required=False)
    if which == "corpus" and title:
        pairs = zip(table.text_column(title), text, strict=True)
        text = [f"{head} {body}".strip() for head, body in pairs]
    if len(set(ids)) < len(ids):
        last = {each: i for i, each in enumerate(ids)}
        i = next(last[each] for i, each in enumerate(ids) if last[each] != i)
        raise TableError(f'{table.source.where(i)}: the id "{ids[i]}" comes twice; make it unique.')
    return dict(zip(ids, text, strict=True))


def _column(table: Table, words: Sequence[str], *, required: bool = True) -> Any:
    """The table's name of the column that is called one of the words."""
    folded = {name.strip().casefold().replace("-", "_"): name for name in table.columns}
    name = next((folded[word] for word in words if word in folded), None)
    if name is None and required:
        columns = ", ".join(f'"{each}"' for each in table.columns)
        raise TableError(
            f"{table.source.file} has the columns {columns}, and none of {', '.join(words)}."
        )
    return name


def _strings(table: Table, name: str) -> list[str]:
    return [str(value) for value in table.columns[name]]


def _chosen_split(splits: Sequence[str], split: str | None, file: str) -> str | None:
    """The split to measure on; None for all rows."""
    values = dict.fromkeys(splits)
    if split == "all" or not values:
        return None
    if split is not None:
        if split not in values:
            raise InputError(f"{file} has no split {split!r}; there are {', '.join(values)}, all.")
        return split
    if "test" not in values or len(values) == 1:
        return None
    count = sum(1 for value in splits if value == "test")
    warn(
        f"Measured on {count:,} of {counted(len(splits), 'row')} of {file}, those whose split is "
        "test (--split all takes all).",
        ChoiceWarning,
    )
    return "test"


def _names(labels: Sequence[str], file: str) -> tuple[str, ...]:
    names = tuple(sorted({*labels}))
    if len(names) < 2:
        raise InputError(f'{file}: every label is "{names[0]}"; at least two are needed.')
    return names


def _place(label: str | int, names: Sequence[str], file: str) -> int:
    if str(label) not in names:
        raise InputError(f"positive={label!r} is no label of {file}: it has {', '.join(names)}.")
    return names.index(str(label))


def _grades(labels: Sequence[str], file: str) -> Array:
    """Grades (n,): the labels if they are numbers, else 1 for the one that means relevant."""
    try:
        return np.array(labels, np.float64)
    except ValueError:
        names = _names(labels, file)
        place = checks.positive_label(names)
        if place is None:
            raise InputError(
                f"{file} has the labels {', '.join(names)}: give grades, such as 1 for a relevant "
                "document and 0 for another."
            ) from None
        return np.array([float(label == names[place]) for label in labels])


def _check_answered(answered: int, total: int, file: str) -> None:
    if not answered:
        raise InputError(f"{file}: none of {total:,} queries has a relevant document.")
    if answered < total:
        warn(
            f"{file}: {total - answered:,} of {total:,} queries have no relevant document, and are "
            "left out.",
            SememeWarning,
        )


def _pairs(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, str]]:
    return [(first, second) for first, second in rows]


def _noted(task: Task) -> Task:
    if len(task) < 2:
        raise InputError(f"{task.name}: 1 item to measure on; at least 2 are needed.")
    if len(task) < _FEW:
        warn(
            f"{task.name}: {counted(len(task), 'item')} to measure on tell next to nothing; label "
            "at least 50.",
            SememeWarning,
        )
    return task
