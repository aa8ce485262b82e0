"""Ways of using models, with the face that is measured: only the verb that each is for."""

import sqlite3
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.cascade import teach
from sememe.errors import CostWarning
from sememe.evaluation.systems import EncoderSystem, ScorerSystem, System
from sememe.neighbors import normalized, self_join
from sememe.neighbors.communities import neighborhood_size
from sememe.search.ranking import fused
from sememe.search.rows import Match, Row
from sememe.search.sqlite.connection import TOKENIZERS
from sememe.search.sqlite.store import match_expression

Floats = npt.NDArray[Any]
Ints = npt.NDArray[Any]

DEPTH = 100
"""Documents of a ranking that are fused, or handed to a cross-encoder."""

RERANKED = 20
"""Documents that a cross-encoder reads for each query."""


class Part(EncoderSystem):
    """Some components of an encoder's vectors: the first of them, or one of several poolings."""

    def __init__(self, name: str, system: EncoderSystem, part: slice) -> None:
        super().__init__(system.encoder, name)
        self._system, self._part = system, part

    def vectors(self, texts: Sequence[str], role: str = "") -> Floats:
        """Unit vectors, float32 (n, components)."""
        return normalized(self._system.vectors(texts, role)[:, self._part])


class Words:
    """Okapi BM25 (Robertson et al. 1994) by SQLite's FTS5, as an index has it."""

    def __init__(self) -> None:
        self.name = "BM25"
        self._documents: Sequence[str] = ()
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)

    def rank(
        self, queries: Sequence[str], documents: Sequence[str], depth: int
    ) -> tuple[Ints, Floats]:
        """Behind the documents with a word of the query, those without, in their order."""
        return _filled(self.hits(queries, documents, depth), len(documents), depth)

    def hits(
        self, queries: Sequence[str], documents: Sequence[str], depth: int
    ) -> list[list[tuple[int, float]]]:
        """Of each query, the places and scores of the documents with a word of it."""
        if documents is not self._documents:
            self._connection.executescript(
                "DROP TABLE IF EXISTS words;"
                f"CREATE VIRTUAL TABLE words USING fts5(text, tokenize='{TOKENIZERS['english']}');"
            )
            rows = enumerate(documents)
            self._connection.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", rows)
            self._documents = documents
        sql = "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?"
        rankings = []
        for query in queries:
            question = match_expression(query)
            rankings.append(
                self._connection.execute(sql, (question, depth)).fetchall() if question else []
            )
        return rankings


class Hybrid:
    """Reciprocal-rank fusion of vectors and words, as an index does it."""

    def __init__(self, name: str, system: System) -> None:
        self.name = name
        self.words = Words()
        self._system = system

    def rank(
        self, queries: Sequence[str], documents: Sequence[str], depth: int
    ) -> tuple[Ints, Floats]:
        """The fused first hundred of each, then all others."""
        count = min(DEPTH, depth)
        by_meaning = self._system.rank(queries, documents, count)[0].tolist()
        by_words = self.words.hits(queries, documents, count)
        rankings = []
        for first, hits in zip(by_meaning, by_words, strict=True):
            parts = first, [place for place, _ in hits]
            matches = fused([[Match(Row(str(i), "", {}), 0.0) for i in part] for part in parts])
            rankings.append([(int(match.row.id), match.score) for match in matches])
        return _filled(rankings, len(documents), depth)


class Reranked:
    """A cross-encoder that reads the first documents that another system finds."""

    def __init__(self, name: str, system: System, scorer: ScorerSystem) -> None:
        self.name = name
        self._system, self._scorer = system, scorer

    def rank(
        self, queries: Sequence[str], documents: Sequence[str], depth: int
    ) -> tuple[Ints, Floats]:
        """The twenty that were read by their scores, then all others."""
        first, _ = self._system.rank(queries, documents, min(DEPTH, depth))
        read, rest = first[:, :RERANKED], first[:, RERANKED:]
        rows = zip(queries, read.tolist(), strict=True)
        pairs = [(query, documents[place]) for query, row in rows for place in row]
        scores = self._scorer.score(pairs, search=True).reshape(read.shape)
        rankings = []
        for places, values, others in zip(read, scores, rest, strict=True):
            order = np.argsort(-values, kind="stable")
            low = float(values.min())
            ranking = [(int(places[at]), float(values[at])) for at in order]
            rankings.append(
                ranking + [(int(place), low - rank) for rank, place in enumerate(others, 1)]
            )
        return _filled(rankings, len(documents), depth)


def _filled(
    rankings: Sequence[Sequence[tuple[int, float]]], documents: int, depth: int
) -> tuple[Ints, Floats]:
    """Rankings as arrays (queries, depth); documents without a score come last, in their order."""
    places = np.empty((len(rankings), depth), np.int64)
    scores = np.empty((len(rankings), depth))
    every = np.arange(documents)
    for row, ranking in enumerate(rankings):
        first = np.array([place for place, _ in ranking[:depth]], np.int64)
        rest = np.setdiff1d(every, first)[: depth - len(first)] if len(first) < depth else every[:0]
        places[row] = np.concatenate([first, rest])
        ranked_scores = [score for _, score in ranking[:depth]]
        low = min(ranked_scores, default=0.0)
        scores[row] = [*ranked_scores, *(low - 1 - np.arange(len(rest)))]
    return places, scores


class Taught(EncoderSystem):
    """A bi-encoder's vectors as a cross-encoder moves them among the texts that are grouped."""

    def __init__(self, name: str, system: EncoderSystem, scorer: ScorerSystem, budget: str) -> None:
        super().__init__(system.encoder, name)
        self._system, self._scorer, self._budget = system, scorer.scorer, budget

    def vectors(self, texts: Sequence[str], role: str = "") -> Floats:
        """Unit vectors, float32 (n, dim), of texts that belong together."""
        different = list(dict.fromkeys(texts))
        rows = self._system.vectors(different, role)
        neighbors = self_join(rows, neighborhood_size(len(rows)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CostWarning)  # of every round; the verdict has it
            result = teach(different, rows, neighbors, self._scorer, self._budget, False)
        place = {text: row for row, text in enumerate(different)}
        return result.vectors[[place[text] for text in texts]]
