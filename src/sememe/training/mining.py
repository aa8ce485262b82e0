"""Hard negatives: texts near a query that are not among its answers."""

from __future__ import annotations  # so that help() shows short types

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import flag, real_number, shown, whole_number
from sememe.cascade.scores import ScoreCache, as_teacher
from sememe.checkpoint import DEFAULT_MODEL
from sememe.data import Data, load
from sememe.data.reading import Roles
from sememe.encoders.opening import as_encoder, encoded
from sememe.errors import CostWarning, InputError, SememeWarning, warn
from sememe.jobs import Job
from sememe.neighbors import nearest, normalized
from sememe.progress import counted, progress_bar
from sememe.protocols import EncoderLike, Scorer
from sememe.tables import read_texts
from sememe.tables.table import Names
from sememe.text import check_texts, rows_with_text
from sememe.training.teachers import identity, kept_vectors

_QUERIES = 4096
"""So many are searched at once, which bounds the memory."""
_PAIRS = 16_384
"""So many are scored before their scores are kept."""

StrPath = str | os.PathLike[str]
Mined = tuple[Sequence[int] | NDArray[Any], Sequence[float] | NDArray[Any]]
"""Places in the corpus, and their scores."""


def mine_negatives(
    pairs: Data,
    corpus: StrPath | Iterable[str],
    encoder: EncoderLike = DEFAULT_MODEL,
    *,
    negatives: int = 1,
    ranks: tuple[int, int] = (1, 100),
    margin: float = 0.05,
    same: float | None = 0.95,
    cross: Scorer | StrPath | None = None,
    scores: bool = False,
    columns: Roles = None,
    column: Names = None,
    work: StrPath | None = None,
    progress: bool | None = None,
) -> dict[str, list[Any]]:
    """Find, for each pair of a query and its answer, the nearest texts that do not answer it.

    Candidates are a query's nearest neighbours in the corpus, exactly and the nearest first. All
    its answers are left out, and so is the query itself. A candidate that may be an answer nobody
    marked is left out too: one that is nearly as close to the query as the answer is (`margin`;
    NV-Retriever: Moreira et al., 2024), or the same as the answer (`same`). Memory is that of the
    vectors.

    Args:
        pairs: the columns anchor and positive, or query and document; see `sememe.data.load`.
        corpus: a file of texts, or the texts. A copy of a text counts once, a blank one never.
        encoder: a bi-encoder's name or directory, or anything with `.encode(texts)`. Prompts for
            queries and documents are used where it has them.
        negatives: how many for each pair. A pair with fewer is left out, with a warning.
        ranks: the first and the last neighbour that may be one, counted from 1 without the answers.
        margin: a negative's similarity to the query is at most the answer's, less this share of it.
        same: a text whose cosine with the answer is this or more is taken for it; None for no such
            limit.
        cross: a cross-encoder's name or directory, or anything with `.score(pairs)`, such as a
            `CrossEncoder`: `margin` is then of its scores, and candidates are scored until there
            are enough.
        scores: add the columns positive_score, negative_score, … with what was compared, for
            margin-mse and kl to learn from.
        columns: which column of the pairs is what, such as {"anchor": "question"}.
        column: the column of the corpus file; None for the one that is named like texts.
        work: a folder that keeps the vectors, with which the same call resumes after an
            interruption; delete it once the negatives are saved. None to keep none. A
            cross-encoder's scores are kept in any case.
        progress: progress bars: True, False, or None for some on a terminal.

    Returns:
        dict: the columns anchor, positive, negative, negative_2, …, which `sememe.train_bi` takes.

    Raises:
        InputError: no negative at all, data that are not pairs, or an option.
        TableError: a file that cannot be read.
        JobError: work= is another call's, or cannot be written.

    Example:
        >>> triplets = mine_negatives("pairs.csv", "corpus.txt", negatives=2)   # doctest: +SKIP
        >>> sememe.train_bi(triplets, "my-encoder")                             # doctest: +SKIP
    """
    count = whole_number("negatives", negatives)
    first, last = _window(ranks, count)
    margin = real_number("margin", margin, least=0)
    limit = 2.0 if same is None else real_number("same", same, above=-1, most=1)
    with_scores = flag("scores", scores)
    examples = load(pairs, columns=columns)
    if examples.kind != "pairs":
        raise InputError(
            f"{examples.name} holds {examples.kind}; negatives are mined for pairs: the columns "
            "anchor and positive, or query and document."
        )
    rows = [(str(example.texts[0]), str(example.texts[1])) for example in examples]
    if isinstance(corpus, str | os.PathLike):
        texts = read_texts(corpus, column)
    else:
        texts = check_texts(corpus)
    texts = list(dict.fromkeys(texts[i] for i in rows_with_text(texts, "and no negative")))
    if not texts:
        raise InputError("The corpus has no text: give some that may be negatives.")
    teacher = as_teacher(cross, None)
    judge = None if teacher is None else _Judge(teacher[0])
    search = _Search(as_encoder(encoder), rows, texts, work, progress)
    mined: list[Mined] = [((), ())] * len(rows)
    answers = np.empty(len(rows))
    for row, candidates, similarity, to_answer in search.candidates(first, last, limit, progress):
        answers[row] = to_answer
        if judge is None:
            is_apart = similarity <= to_answer - margin * abs(to_answer)
            candidates, similarity = candidates[is_apart][:count], similarity[is_apart][:count]
        mined[row] = (candidates, similarity)
    if judge is not None:
        mined, answers = judge.choose(rows, texts, [each[0] for each in mined], count, margin)
    return _table(rows, texts, mined, answers, count, with_scores)


def _window(ranks: Any, count: int) -> tuple[int, int]:
    if not isinstance(ranks, Sequence) or len(ranks) != 2:
        raise InputError(f"ranks={ranks!r}: give the first and the last, such as 1 and 100.")
    first = whole_number("ranks", ranks[0])
    last = whole_number("ranks", ranks[1])
    if last - first + 1 < count:
        raise InputError(f"ranks={shown(ranks)}: give as many ranks as negatives, {count} here.")
    return first, last


class _Search:
    """Queries and texts with their vectors; answers that are not in the corpus come behind it."""

    def __init__(
        self,
        encoder: Any,
        rows: Sequence[tuple[str, str]],
        texts: list[str],
        work: StrPath | None,
        progress: bool | None,
    ) -> None:
        self.rows = rows
        self.size = len(texts)
        self.places = {text: place for place, text in enumerate(texts)}
        for _, answer in rows:
            self.places.setdefault(answer, len(self.places))
        self.queries: dict[str, list[int]] = {}
        for row, (query, _) in enumerate(rows):
            self.queries.setdefault(query, []).append(row)

        def vectors(kind: str, items: list[str]) -> NDArray[np.float32]:
            encode = getattr(encoder, f"encode_{kind}", None)  # with its prompt
            encode = partial(encode or partial(encoded, encoder), progress=progress)
            if work is None:
                return normalized(encode(items))
            facts = {"encoder": identity(encoder), "prompts": getattr(encoder, "prompts", {})}
            with Job.opened(Path(work) / kind, "mine", facts) as job:
                return normalized(kept_vectors(encode, items, job))

        self.vectors = vectors("document", [*self.places])
        self.query_vectors = vectors("query", [*self.queries])

    def candidates(
        self, first: int, last: int, same: float, progress: bool | None
    ) -> Iterator[tuple[int, NDArray[Any], NDArray[Any], float]]:
        """Of each row: candidates, int (n,), their similarity to the query, and the answer's."""
        groups = [*self.queries.items()]
        with progress_bar(len(groups), "queries", progress) as bar:
            for start in range(0, len(groups), _QUERIES):
                block = groups[start : start + _QUERIES]
                depth = last + 1 + max(len(rows) for _, rows in block)
                vectors = self.query_vectors[start : start + _QUERIES]
                neighbors = nearest(self.vectors[: self.size], depth, queries=vectors)
                for i, (query, rows) in enumerate(block):
                    answers = [self.places[self.rows[row][1]] for row in rows]
                    excluded = [*answers, self.places.get(query, -1)]
                    is_candidate = ~np.isin(neighbors.indices[i], excluded)
                    places = neighbors.indices[i][is_candidate][first - 1 : last]
                    similarity = neighbors.similarity[i][is_candidate][first - 1 : last]
                    for row, answer in zip(rows, answers, strict=True):
                        is_other = self.vectors[places] @ self.vectors[answer] < same
                        to_answer = float(vectors[i] @ self.vectors[answer])
                        yield row, places[is_other], similarity[is_other], to_answer
                bar.update(len(block))


class _Judge:
    """A cross-encoder, and what it has scored: no pair twice, nor after an interruption."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.scores: dict[tuple[str, str], float] = {}
        fingerprint = getattr(scorer, "fingerprint", None)
        # The cascade's scores are raw.
        self.disk = ScoreCache(f"{fingerprint} scored") if fingerprint else None

    def choose(
        self,
        rows: Sequence[tuple[str, str]],
        texts: Sequence[str],
        candidates: Sequence[Sequence[int] | NDArray[Any]],
        count: int,
        margin: float,
    ) -> tuple[list[Mined], NDArray[np.float64]]:
        """The first candidates that score below the answers; rounds score no more than needed."""
        judged = [row for row, places in enumerate(candidates) if len(places)]
        warn(
            f"The cross-encoder scores about {len(judged) * (1 + count):,} pairs, and more where "
            "it takes a candidate for an answer.",
            CostWarning,
        )
        negatives: list[tuple[list[int], list[float]]] = [([], []) for _ in rows]
        ends = [0] * len(rows)
        answers = np.full(len(rows), np.nan)
        answers[judged] = self._scores([rows[row] for row in judged])
        while judged:
            batch = []
            for row in judged:
                start = ends[row]
                ends[row] = start + count - len(negatives[row][0])
                batch += [(row, int(place)) for place in candidates[row][start : ends[row]]]
            values = self._scores([(rows[row][0], texts[place]) for row, place in batch])
            for (row, place), value in zip(batch, values, strict=True):
                if value <= answers[row] - margin * abs(answers[row]):
                    negatives[row][0].append(place)
                    negatives[row][1].append(value)
            judged = [
                row
                for row in judged
                if len(negatives[row][0]) < count and ends[row] < len(candidates[row])
            ]
        return [*negatives], answers

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self.scores]
        if self.disk:
            self.scores.update(self.disk.get(new))
            new = [pair for pair in new if pair not in self.scores]
        for start in range(0, len(new), _PAIRS):
            part = new[start : start + _PAIRS]
            values = np.asarray(self.scorer.score(part), np.float64)
            if values.shape != (len(part),) or not np.isfinite(values).all():
                raise InputError(
                    f"The cross-encoder gave scores of shape {values.shape} for {len(part)} pairs: "
                    "it must give one finite number for each."
                )
            self.scores.update(zip(part, values.tolist(), strict=True))
            if self.disk:
                self.disk.put(part, values.tolist())
        return [self.scores[pair] for pair in pairs]


def _table(
    rows: Sequence[tuple[str, str]],
    texts: Sequence[str],
    mined: list[Mined],
    answers: NDArray[np.float64],
    count: int,
    with_scores: bool,
) -> dict[str, list[Any]]:
    complete = [row for row, places in enumerate(mined) if len(places[0]) == count]
    if not complete:
        raise InputError(
            f"No pair has {counted(count, 'negative')}: give a larger corpus, a smaller margin or "
            "wider ranks."
        )
    if len(complete) < len(rows):
        missing = len(rows) - len(complete)
        few = f"Left out for too few negatives: {missing:,} of {counted(len(rows), 'pair')}"
        warn(f"{few}. A smaller margin or wider ranks keep more.", SememeWarning)
    table: dict[str, list[Any]] = {
        "anchor": [rows[row][0] for row in complete],
        "positive": [rows[row][1] for row in complete],
    }
    names = ["negative", *(f"negative_{i}" for i in range(2, count + 1))]
    for i, name in enumerate(names):
        table[name] = [texts[mined[row][0][i]] for row in complete]
    if with_scores:
        table["positive_score"] = [float(answers[row]) for row in complete]
        for i, name in enumerate(names):
            table[f"{name}_score"] = [float(mined[row][1][i]) for row in complete]
    return table
