"""From matches to hits: rankings fused, and the sentence of each text that fits best."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sememe.search.query import Condition
from sememe.search.rows import Match, Row, Vectors, trimmed
from sememe.search.store import Store
from sememe.tables import to_frame
from sememe.text import sentences

if TYPE_CHECKING:
    import pandas

    from sememe.encoders import BiEncoder

_RANK = 60  # of Cormack et al.: how little the first ranks differ
_MAX_SENTENCES = 200  # of one text that are encoded
_TOGETHER = 50  # sentences of several texts: more would make the first hit wait for the others
_PASSAGES = 4  # so many times as many as there shall be texts
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Hit:
    """A text that a search found, or a passage of it. Pickling one computes its sentence first.

    Attributes:
        id: the user's own; of a passage, its text's.
        text: all of the text, or the passage.
        score: the higher, the better: a cosine, or the model's inner product (`dense`), BM25
            (`bm25`), a sum of reciprocal ranks (`hybrid`), a cross-encoder's score (`rerank`).
        metadata: what was stored with it.
        passage: where the passage begins and ends in its text, in characters; None where texts are
            not split.
    """

    id: str
    text: str
    score: float
    metadata: Mapping[str, Any] = field(hash=False)
    passage: tuple[int, int] | None
    _sentences: "BestSentences | Mapping[str, str]" = field(repr=False, compare=False)

    @property
    def sentence(self) -> str:
        """The text's sentence that is nearest to the query, computed on first use.

        Of a text with more than 200 sentences, those 200 are compared that have most of the query's
        words; the first 200 where the query was a vector.
        """
        return self._sentences[self.text]

    def __reduce__(self) -> tuple[Any, ...]:
        sentence = {self.text: self.sentence}  # without the encoder
        return Hit, (self.id, self.text, self.score, self.metadata, self.passage, sentence)


class Hits(list[Hit]):
    """What a search found, best first."""

    def to_frame(self) -> "pandas.DataFrame":
        """A row a hit: id, text, score, passage, and a column for each key of the metadata.

        A key that has the name of another column gets a _ behind it. Whole numbers stay whole where
        some hits have none.
        """
        names = ("id", "text", "score", "passage")
        columns: dict[str, Any] = {name: [getattr(hit, name) for hit in self] for name in names}
        keys = list(dict.fromkeys(key for hit in self for key in hit.metadata))
        for key in keys:
            name = key
            while name in columns or (name != key and name in keys):
                name += "_"
            values = [hit.metadata.get(key) for hit in self]
            mixed = {type(value) for value in values} == {int, type(None)}  # floats, for pandas
            columns[name] = np.array(values, object) if mixed else values
        return to_frame(columns)


def make_hits(
    matches: Sequence[Match],
    query: Any,
    encoder: Callable[[], "BiEncoder"],
    *,
    are_passages: bool = False,
) -> Hits:
    """Matches as a user gets them; `query` is the text, or its vector."""
    best = BestSentences([match.row.text for match in matches], query, encoder)
    hits = Hits()
    for (row_id, text, metadata, start), score in matches:
        passage = (start, start + len(text)) if are_passages else None
        hits.append(Hit(row_id, text, score, metadata, passage, best))
    return hits


def best_of_texts(matches: Iterable[Match], per_document: int | None) -> list[Match]:
    """The matches without those behind the `per_document` best passages of a text."""
    counts: Counter[str] = Counter()
    best = []
    for match in matches:
        counts[match.row.id] += 1
        if per_document is None or counts[match.row.id] <= per_document:
            best.append(match)
    return best


def fused(rankings: Sequence[Sequence[Match]], *, by_text: bool = True) -> list[Match]:
    """All rows of the rankings, by the sum of 1 / (60 + rank) over the rankings with them.

    `by_text`: passages of one text count as one row, which is shown by the passage that came first.

    Cormack, Clarke and Buettcher (2009), Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods. Of equals, the one that came first.
    """
    scores: dict[tuple[str, int], float] = {}
    rows: dict[tuple[str, int], Row] = {}
    for ranking in rankings:
        for rank, (row, _) in enumerate(ranking, start=1):
            key = row.id, 0 if by_text else row.start
            rows.setdefault(key, row)
            scores[key] = scores.get(key, 0.0) + 1 / (_RANK + rank)
    return [Match(rows[key], scores[key]) for key in sorted(scores, key=lambda key: -scores[key])]


def ranked(
    store: Store,
    queries: Any,
    vectors: Callable[[], tuple[Vectors, str]],
    count: int,
    mode: str,
    where: Condition | None,
    per_document: int | None,
) -> list[list[Match]]:
    """For each query the `count` best texts, or the best passages of texts.

    `vectors` gives the queries' vectors and their encoder's fingerprint, where they are needed.
    """
    searches: list[Callable[[int], list[list[Match]]]] = []
    if mode != "bm25":
        rows, fingerprint = vectors()
        searches.append(lambda number: store.nearest(rows, number, where, fingerprint))
    if mode != "dense":
        searches.append(lambda number: [store.matching(each, number, where) for each in queries])
    best = [
        by_document(find, count, per_document) if store.has_passages else find(count)
        for find in searches
    ]
    if mode != "hybrid":
        return best[0]
    return [
        best_of_texts(fused(both, by_text=per_document == 1), per_document)[:count]
        for both in zip(*best, strict=True)
    ]


def by_document(
    find: Callable[[int], list[list[Match]]], count: int, per_document: int | None
) -> list[list[Match]]:
    """So many matches of each query, at most `per_document` a text, out of `find(passages)`."""
    passages = count
    while True:  # until there are enough texts, or no more passages
        passages *= 1 if per_document is None else _PASSAGES
        rankings = find(passages)
        texts = [best_of_texts(matches, per_document)[:count] for matches in rankings]
        if all(
            len(some) == count or len(matches) < passages
            for some, matches in zip(texts, rankings, strict=True)
        ):
            return [[Match(trimmed(row), score) for row, score in some] for some in texts]


class BestSentences:
    """By text, the sentence of each that is nearest to a query; short texts' are found together."""

    def __init__(
        self, texts: Sequence[str], query: Any, encoder: Callable[[], "BiEncoder"]
    ) -> None:
        self._texts = texts
        self._query = query
        self._encoder = encoder
        self._words = set(_words(query)) if isinstance(query, str) else set()
        self._best: dict[str, str] = {}

    def __getitem__(self, text: str) -> str:
        if text not in self._best:
            self._compare(self._batch(text))
        return self._best[text]

    def _batch(self, first: str) -> dict[str, list[str]]:
        """The sentences of a text, and of others that have no best one yet, if they are few."""
        batch: dict[str, list[str]] = {}
        room = _TOGETHER
        for text in dict.fromkeys([first, *self._texts]):
            if text not in self._best:
                parts = self._likely(sentences(text) or [text])
                room -= len(parts)
                if batch and (room < 0 or len(batch[first]) == 1):
                    break
                batch[text] = parts
        return batch

    def _likely(self, parts: list[str]) -> list[str]:
        if len(parts) <= _MAX_SENTENCES:
            return parts
        by_words = sorted(parts, key=lambda part: -len(self._words & set(_words(part))))
        return by_words[:_MAX_SENTENCES]

    def _compare(self, batch: dict[str, list[str]]) -> None:
        several = [parts for parts in batch.values() if len(parts) > 1]
        parts = list(dict.fromkeys(part for parts in several for part in parts))
        scores = {}
        if parts:
            encoder = self._encoder()
            vectors = encoder.encode_document(parts, progress=False)
            similarities = encoder.similarity(self._query_vector, vectors)[0]
            scores = dict(zip(parts, similarities, strict=True))
        for text, parts in batch.items():
            self._best[text] = max(parts, key=lambda part: scores.get(part, 0))

    @cached_property
    def _query_vector(self) -> Any:
        query = self._query
        return self._encoder().encode_query(query) if isinstance(query, str) else query


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
