"""From matches to hits: rankings fused, and the sentence of each text that fits best."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sememe.search.rows import Match, Row, trimmed
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
    if per_document is None:
        return list(matches)
    counts: Counter[str] = Counter()
    best = []
    for match in matches:
        counts[match.row.id] += 1
        if counts[match.row.id] <= per_document:
            best.append(match)
    return best


def fused(rankings: Sequence[Sequence[Match]], *, by_text: bool = True) -> list[Match]:
    """All rows of the rankings, by the sum of 1 / (60 + rank) over the rankings with them.

    `by_text`: passages of one text count as one row, which is shown by the passage that came first.

    Cormack, Clarke and Buettcher (2009), Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods. Of equals, the one that came first.
    """
    scores: dict[Any, float] = defaultdict(float)
    rows: dict[Any, Row] = {}
    for ranking in rankings:
        for rank, (row, _) in enumerate(ranking, start=1):
            key = row.id, 0 if by_text else row.start
            rows.setdefault(key, row)
            scores[key] += 1 / (_RANK + rank)
    best = sorted(scores, key=lambda key: -scores[key])
    return [Match(rows[key], scores[key]) for key in best]


def by_document(
    find: Callable[[int], list[list[Match]]], count: int, per_document: int | None
) -> list[list[Match]]:
    """So many passages of each query, at most `per_document` a text, out of `find(passages)`."""
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
        self._texts, self._query, self._encoder = texts, query, encoder
        self._words = _words(query) if isinstance(query, str) else set()
        self._best: dict[str, str] = {}

    def __getitem__(self, text: str) -> str:
        if text not in self._best:
            self._find(text)
        return self._best[text]

    def _find(self, first: str) -> None:
        """The best sentence of a text, and of others that have none yet, if theirs are few."""
        batch: dict[str, list[str]] = {}
        room = _TOGETHER
        for text in dict.fromkeys([first, *self._texts]):
            if text in self._best:
                continue
            parts = sentences(text) or [text]
            if len(parts) > _MAX_SENTENCES:
                parts.sort(key=lambda part: -len(self._words & _words(part)))
            batch[text] = parts[:_MAX_SENTENCES]
            room -= len(batch[text])
            if len(batch) > 1 and room < 0:
                del batch[text]
            if room < 0 or len(batch[first]) == 1:
                break
        several = [part for parts in batch.values() if len(parts) > 1 for part in parts]
        scores = {}
        if several := [*dict.fromkeys(several)]:
            encoder = self._encoder()
            if isinstance(self._query, str):
                self._query = encoder.encode_query(self._query)
            vectors = encoder.encode_document(several, progress=False)
            similarities = encoder.similarity(self._query, vectors)[0]
            scores = dict(zip(several, similarities, strict=True))
        for text, parts in batch.items():
            self._best[text] = max(parts, key=lambda part: scores.get(part, 0))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
