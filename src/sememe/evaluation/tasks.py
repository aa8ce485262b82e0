"""Labelled data from anywhere as a task, by the names of its columns or of its three tables."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Any, Literal

import numpy as np

from sememe.arguments import one_of, shown
from sememe.data import checks
from sememe.data.reading import Data, Roles, columns_by_word, quoted, read_blocks
from sememe.errors import InputError, SememeWarning, TableError, warn
from sememe.evaluation.judgements import check_answered, chosen_split, find_tables, read_judgements
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
from sememe.tables import BlankCells, Table
from sememe.tables.table import PAIR_NAMES

_FEW = 20
"""Fewer items than these tell next to nothing."""
_NEGATIVE = re.compile(r"negative(_\d+)?")
_ANSWERS = [pair for pair in PAIR_NAMES if pair[0] in ("query", "question", "anchor")]
_WORD = re.compile("|".join([*chain(*PAIR_NAMES), _NEGATIVE.pattern, "text|label|score|split"]))
_KINDS_OF_COLUMNS = (
    "These do: sentence1, sentence2 and score (similarity) or label (pairs); "
    "anchor, positive and negative (triplets); query, document and label (reranking); query and "
    "document (retrieval); text and label (groups or classes). A folder with the tables corpus, "
    "queries and qrels is retrieval."
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
        InputError: labels that are all the same, judgements of unknown documents.

    Example:
        >>> task = load_task("triplets.csv")                              # doctest: +SKIP
        >>> task.kind, len(task)                                          # doctest: +SKIP
        ('triplets', 2000)
    """
    if task is not None:
        one_of("task", task, KINDS)
    loaded: Task
    if tables := find_tables(data, split):
        if task not in (None, "retrieval"):
            raise InputError(f"The tables corpus, queries and qrels are retrieval, not {task}.")
        if columns is not None:
            raise InputError(
                "columns (--columns) is for a single table: leave it out, and name the columns of "
                "corpus, queries and qrels as BEIR does."
            )
        loaded = read_judgements(tables, split)
    else:
        kind, rows = _read(data, task, columns, split)
        if kind in ("groups", "classes"):
            loaded = _texts(rows, kind, protocol)
        else:
            loaded = _several_texts(rows, kind, positive)
    for name, value, kinds in (
        ("positive", positive, ("pairs", "reranking")),
        ("protocol", protocol, ("classes",)),
    ):
        if value is not None and loaded.kind not in kinds:
            raise InputError(
                f"{name} (--{name}) is for {' and '.join(kinds)}, and {loaded.name} is "
                f"{loaded.kind}: leave it out."
            )
    if len(loaded) < 2:
        raise InputError(f"{loaded.name}: {len(loaded)} items to measure on; give at least 2.")
    if len(loaded) < _FEW:
        warn(
            f"{loaded.name}: {len(loaded)} items to measure on tell next to nothing; label at "
            "least 50.",
            SememeWarning,
        )
    return loaded


@dataclass(frozen=True)
class _Rows:
    """The rows that are measured, the others, and those that classes are learned from."""

    roles: dict[str, list[str]]
    measured: Table
    others: Table
    train: Table

    @classmethod
    def of(cls, table: Table, roles: dict[str, list[str]], split: str | None) -> "_Rows":
        splits, name = [], table.source.file
        if "split" in roles:
            splits = [str(value) for value in table.columns[roles["split"][0]]]
            split = chosen_split(splits, split, name)
        elif split not in (None, "all"):
            raise TableError(f'{name} has no column "split", from which to take "{split}".')
        rows = range(len(table))
        if not splits or split in (None, "all"):
            return cls(roles, table, table.take([]), table.take([]))
        parts = (
            [i for i in rows if splits[i] == split],
            [i for i in rows if splits[i] != split],
            [i for i in rows if splits[i] == "train" != split],
        )
        return cls(roles, *map(table.take, parts))

    @property
    def name(self) -> str:
        return self.measured.source.file

    def texts(self, *words: str) -> list[tuple[str, ...]]:
        """The texts of each row; those that are in other splits too are counted."""
        columns = [self.roles[word] for word in words]
        rows = checks.read_texts(self.measured, columns)
        other_texts = {text for row in checks.read_texts(self.others, columns) for text in row}
        if shared := sum(1 for row in rows if not other_texts.isdisjoint(row)):
            warn(
                f"{shared:,} of {counted(len(rows), 'row')} of {self.name} to measure on have a "
                "text that is in another split too: what was trained on it looks too good.",
                SememeWarning,
            )
        return rows

    def labels(self, rows: Sequence[tuple[str, ...]]) -> tuple[list[str], tuple[str, ...]]:
        """The label of each row, and their names; contradictions are counted.

        Raises InputError where all are the same.
        """
        labels = list(checks.read_labels(self.measured, self.roles["label"][0]))
        names = tuple(sorted({*labels}))
        if len(names) < 2:
            raise InputError(f'{self.name}: every label is "{names[0]}"; at least two are needed.')
        first: dict[tuple[str, ...], int] = {}
        other = [i for i, row in enumerate(rows) if labels[first.setdefault(row, i)] != labels[i]]
        if other:
            where = self.measured.source.where
            warn(
                f"{len(other):,} of {counted(len(rows), 'row')} of {self.name} give a text another "
                f"label than a row before (first: {where(other[0])}, after "
                f"{where(first[rows[other[0]]])}): no system can be right about both.",
                SememeWarning,
            )
        return labels, names


def _read(data: Any, task: Kind | None, columns: Roles, split: str | None) -> tuple[Kind, _Rows]:
    """The kind that a table's columns make, and its rows."""
    roles: dict[str, list[str]] = {}
    kinds: list[Kind] = []

    def pick(names: Sequence[str], file: str) -> list[str]:
        roles.update(columns_by_word(names, file, columns, _WORD, _KINDS_OF_COLUMNS)[0])
        kinds.append(_kind({*roles}, names, file, task))
        return list(dict.fromkeys(name for named in roles.values() for name in named))

    table = next(iter(read_blocks(data, pick, inf)))
    is_single = kinds[0] in ("groups", "classes")
    words = {"text"} if is_single else {*roles} - {"text", "label", "score", "split"}
    texts = [named for word, named in roles.items() if word in words]
    blanks = BlankCells(" or ".join(chain(*texts)))
    table = checks.rows_with_texts(table, texts, blanks)
    if blanks.count:
        blanks.warn("and left out")
    if not len(table):
        raise TableError(f"{table.source.file} has no row with all of its texts.")
    return kinds[0], _Rows.of(table, roles, split)


def _several_texts(rows: _Rows, kind: Kind, positive: str | int | None) -> Task:
    """Pairs with scores, labels or neither, or triplets."""
    roles, name = rows.roles, rows.name
    if kind == "triplets":
        negatives = [word for word in roles if _NEGATIVE.fullmatch(word)]
        return TripletTask(name, rows.texts("anchor", "positive", *negatives))
    first, second = next(pair for pair in PAIR_NAMES if roles.keys() >= {*pair})
    texts = [(a, b) for a, b in rows.texts(first, second)]
    if kind == "similarity":
        gold = np.array(list(checks.read_scores(rows.measured, roles["score"][0])))
        if np.ptp(gold) == 0:
            raise InputError(f"{name}: every score is {gold[0]:g}: there is no order to find.")
        return PairTask(kind, name, texts, gold)
    if kind == "retrieval":
        place = {text: i for i, text in enumerate(dict.fromkeys(text for _, text in texts))}
        answers: dict[str, dict[int, float]] = {query: {} for query, _ in texts}
        for query, document in texts:
            answers[query][place[document]] = 1.0
        return RetrievalTask(name, list(answers), list(place), list(answers.values()))
    gold = _gold(*rows.labels(texts), positive, name, graded=kind == "reranking")
    if kind == "pairs":
        return PairTask(kind, name, texts, gold)
    members: dict[str, list[int]] = {}
    for i, (query, _) in enumerate(texts):
        members.setdefault(query, []).append(i)
    answered = {query: group for query, group in members.items() if gold[group].max() > 0}
    check_answered(len(answered), len(members), name)
    candidates = [[texts[i][1] for i in group] for group in answered.values()]
    grades = [gold[group] for group in answered.values()]
    return RerankingTask(name, list(answered), candidates, grades)


def _gold(
    labels: list[str], names: tuple[str, ...], positive: Any, name: str, *, graded: bool
) -> Array:
    """1 for the label that means alike or relevant and 0 for others; grades as they are."""
    if graded and positive is None and all(re.fullmatch(r"-?\d+", label) for label in names):
        return np.array(labels, np.float64)
    if positive is None:
        place = checks.positive_label(names)
        if place is None:
            raise checks.unclear_positive(names, name)
        positive = names[place]
    elif str(positive) not in names:
        raise InputError(
            f"positive={shown(positive)} is no label of {name}: it has {', '.join(names)}."
        )
    return np.array([int(label == str(positive)) for label in labels])


def _texts(rows: _Rows, kind: Kind, protocol: Literal["mteb"] | None) -> Task:
    """Texts with labels, and those to learn from, if there are some."""
    items = [text for (text,) in rows.texts("text")]
    labels, _ = rows.labels([(text,) for text in items])
    train_texts, learned = list[str](), list[str]()
    if kind == "classes" and len(rows.train):
        train_texts = [text for (text,) in checks.read_texts(rows.train, [rows.roles["text"]])]
        learned = list(checks.read_labels(rows.train, rows.roles["label"][0]))
        _check_learnable(labels, {*learned}, rows.name, "no row of the split train")
    elif kind == "classes":
        if protocol is not None:
            raise InputError(
                f"{rows.name}: MTEB's protocol learns from the rows whose split is train, and "
                "there are none: add them, or leave protocol (--protocol) out."
            )
        counts = Counter(label for _, label in {*zip(items, labels, strict=True)})
        several = {label for label, count in counts.items() if count > 1}
        _check_learnable(labels, several, rows.name, "no second text")
    every, places = np.unique(np.array([*labels, *learned], object), return_inverse=True)
    gold, learned_gold = np.split(places, [len(labels)])
    learning = (train_texts, learned_gold) if learned else None
    return TextTask(kind, rows.name, items, gold, tuple(every.tolist()), learning, protocol)


def _check_learnable(labels: Sequence[str], known: set[str], name: str, lack: str) -> None:
    """Warn of labels that cannot be learned; InputError where that is all of them."""
    missing = sorted({*labels} - known)
    if not missing:
        return
    if not known & {*labels}:
        raise InputError(f"{name}: no label can be learned: {lack} has it; give more of each.")
    warn(
        f"{name}: {counted(len(missing), 'label')} to measure on, such as "
        f'"{missing[0]}", cannot be learned: {lack} has it.',
        SememeWarning,
    )


def _kind(words: set[str], names: Sequence[str], file: str, task: Kind | None) -> Kind:
    """The one kind that the words make, or the one that is asked for, if they make it."""
    is_pair, is_answer = (
        any(words >= {*pair} for pair in pairs) for pairs in (PAIR_NAMES, _ANSWERS)
    )
    has_label, has_score = "label" in words, "score" in words
    has_negative = any(map(_NEGATIVE.fullmatch, words))
    makes: dict[Kind, bool] = {
        "triplets": words >= {"anchor", "positive"} and has_negative,
        "similarity": is_pair and has_score,
        "reranking": is_answer and has_label,
        "pairs": is_pair and has_label,
        "retrieval": is_answer and not (has_label or has_score or has_negative),
        "groups": words >= {"text", "label"},
        "classes": words >= {"text", "label"},
    }
    kinds = [kind for kind, fits in makes.items() if fits]
    if task in kinds:
        return task
    if task is not None or not kinds:
        aim = f"{task}, but {' or '.join(kinds)}" if kinds else task or "data to measure on"
        raise TableError(
            f"{file} has the columns {quoted(names)}, which do not make {aim}. {_KINDS_OF_COLUMNS}"
        )
    if "reranking" in kinds:
        kinds.remove("pairs")  # answers with labels are pairs as well
    if len(kinds) > 1:
        raise TableError(
            f"{file} has the columns {quoted(names)}, which can be measured as "
            f"{' or '.join(kinds)}: say which, with --task {' or --task '.join(kinds)} (in Python, "
            f'task="{kinds[0]}").'
        )
    return kinds[0]
