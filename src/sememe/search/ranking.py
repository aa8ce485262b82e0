"""From matches to hits: rankings fused, read again by a cross-encoder, and their best sentences."""

import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import real_number
from sememe.costs import Budget
from sememe.encoders import BiEncoder, CrossEncoder
from sememe.errors import InputError
from sememe.evaluation.intervals import Comparison, interval
from sememe.evaluation.measures import Measurement
from sememe.evaluation.metrics import ranking
from sememe.progress import counted
from sememe.reports import html_table
from sememe.search.rows import Match, Row, check_ids, trimmed
from sememe.search.store import Store
from sememe.tables import to_frame
from sememe.text import sentences

if TYPE_CHECKING:
    import pandas

_RANK = 60  # of Cormack et al.: how little the first ranks differ
_MAX_SENTENCES = 200  # of one text that are encoded
_TOGETHER = 50  # sentences of several texts: more would make the first hit wait for the others
_PASSAGES = 4  # so many times as many as there shall be texts
_WORD = re.compile(r"\w+")
_PROBE = 64  # pairs that tell how fast a cross-encoder is
_DEPTHS = (5, 10, 20, 50, 100, 200, 500, 1000)
_FEWEST = 10  # labelled queries: fewer say nothing


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

    def _repr_html_(self) -> str:
        rows = [(f"{hit.score:.3f}", hit.id, hit.text) for hit in self]
        return html_table(("score", "id", "text"), rows, counted(len(self), "hit"))

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
    encoder: Callable[[], BiEncoder],
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

    Of equals, the one that came first (Cormack, Clarke and Buettcher, 2009). `by_text`: passages of
    one text count as one row, which is shown by the passage that came first.
    """
    scores: dict[Any, float] = defaultdict(float)
    rows: dict[Any, Row] = {}
    for matches in rankings:
        for rank, (row, _) in enumerate(matches, start=1):
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

    def __init__(self, texts: Sequence[str], query: Any, encoder: Callable[[], BiEncoder]) -> None:
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


def reranked(
    cross: CrossEncoder,
    queries: Sequence[str],
    rankings: Sequence[list[Match]],
    budget: Budget,
    top_k: int,
    progress: bool | None,
) -> list[list[Match]]:
    """Each query's matches by a cross-encoder's scores; what the budget spares follows as it was.

    The pairs of all queries are scored together, in `reading_order`.
    """
    read = _scores(cross, queries, rankings, budget, top_k, progress)
    return [_sorted(query, matches, read) for query, matches in enumerate(rankings)]


def reading_order(rankings: Sequence[list[Match]], top_k: int) -> list[tuple[int, int]]:
    """Places (query, rank) in the order in which a budget is spent on them.

    The first `top_k` of every query, rank by rank; then whatever is closest to the last of these,
    for a candidate far below them is unlikely to belong among them.
    """
    gaps = [
        (max(matches[min(top_k, len(matches)) - 1].score - match.score, 0.0), rank, query)
        for query, matches in enumerate(rankings)
        for rank, match in enumerate(matches)
    ]
    return [(query, rank) for _, rank, query in sorted(gaps)]


def _sorted(query: int, matches: list[Match], read: Mapping[tuple[int, int], float]) -> list[Match]:
    depth = sum((query, rank) in read for rank in range(len(matches)))
    head = [match._replace(score=read[query, rank]) for rank, match in enumerate(matches[:depth])]
    return sorted(head, key=lambda match: -match.score) + matches[depth:]


def _scores(
    cross: CrossEncoder,
    queries: Sequence[str],
    rankings: Sequence[list[Match]],
    budget: Budget,
    top_k: int,
    progress: bool | None,
) -> dict[tuple[int, int], float]:
    """The scores of as many places as the budget allows, in `reading_order`."""
    order = reading_order(rankings, top_k)
    pairs = [(queries[query], rankings[query][rank].row.text) for query, rank in order]
    probe, speed = np.empty(0, np.float32), inf
    if budget.seconds:
        started = time.perf_counter()
        probe = cross.score(pairs[:_PROBE], truncate="document", progress=False)
        speed = len(probe) / (time.perf_counter() - started)
    end = budget.count(len(queries), speed, most=len(pairs))
    rest = cross.score(pairs[len(probe) : end], truncate="document", progress=progress)
    return dict(zip(order, [*probe.tolist(), *rest.tolist()], strict=False))


@dataclass(frozen=True)
class RerankDepth:
    """How many candidates a cross-encoder should read for each query; `print` says it in words.

    Attributes:
        depth: pairs a query, `budget=f"{depth}n"` of a search; 0: it is best left out.
        gain, low, high: the change of nDCG by reranking, on queries that did not choose the depth,
            and its 95 % interval; the depth is 0 unless that is above 0.
        queries, pairs: how many labelled queries there are, and how many pairs were scored.
        metric: `nDCG@10`, or whatever `top_k` made of it.
        figures, changes: by depth, 0 for no reranking: the metric, and how it differs from depth 0.
    """

    depth: int
    gain: float
    low: float
    high: float
    queries: int
    pairs: int
    metric: str
    figures: dict[int, float]
    changes: dict[int, Comparison]

    def __repr__(self) -> str:
        lines = [
            f"{depth:>5} pairs a query: {100 * self.figures[depth]:.2f} "
            f"({100 * change.difference:+.2f}; {100 * change.low:+.2f} to {100 * change.high:+.2f})"
            for depth, change in self.changes.items()
        ]
        advice = "Search without this cross-encoder: it is not shown to help at any depth."
        if self.depth:
            advice = (
                f'Read {self.depth} pairs a query (budget="{self.depth}n"): that changes '
                f"{self.metric} by {100 * self.gain:+.2f} (95 % interval {100 * self.low:+.2f} to "
                f"{100 * self.high:+.2f}) on queries that did not choose the depth."
            )
        head = f"{self.metric} x 100 of {self.queries:,} queries: {100 * self.figures[0]:.2f}"
        return "\n".join([advice, head, *lines])

    def to_dict(self) -> dict[str, Any]:
        """The same as a plain dict, for JSON."""
        return asdict(self)


def tuned(
    cross: CrossEncoder,
    queries: Sequence[str],
    rankings: Sequence[list[Match]],
    grades: Sequence[Mapping[str, float]],
    top_k: int,
    progress: bool | None,
) -> RerankDepth:
    """The depth of reranking that pays, by nDCG of labelled queries.

    It is chosen on one half of the queries and measured on the other, both ways, and counts only
    where the interval of that gain is above 0; then all queries choose.
    """
    scores = _scores(cross, queries, rankings, Budget(), top_k, progress)
    deepest = max(map(len, rankings))
    depths = [0, *(depth for depth in _DEPTHS if depth < deepest), deepest]
    metric, values = f"nDCG@{top_k}", {}
    relevant = [np.array([grade for grade in each.values() if grade > 0]) for each in grades]
    for depth in depths:
        read = dict(islice(scores.items(), depth * len(queries)))
        gains = np.zeros((len(queries), max(1, min(top_k, deepest))))
        for query, matches in enumerate(rankings):
            for rank, match in enumerate(_sorted(query, matches, read)[: gains.shape[1]]):
                gains[query, rank] = grades[query].get(match.row.id, 0.0)
        values[depth] = ranking(gains, relevant, [top_k])[metric]

    def best(rows: NDArray[np.int64]) -> int:
        return max(depths, key=lambda depth: (round(values[depth][rows].mean(), 9), -depth))

    halves = np.array_split(np.random.default_rng(0).permutation(len(queries)), 2)
    differences = np.concatenate(
        [
            values[best(other)][rows] - values[0][rows]
            for rows, other in zip(halves, halves[::-1], strict=True)
        ]
    )
    gain = interval(np.mean, differences)
    measured = {depth: Measurement(metric, np.mean, values[depth]) for depth in depths}
    return RerankDepth(
        depth=best(np.arange(len(queries))) if gain.low > 0 else 0,
        gain=gain.value,
        low=max(gain.low, -1.0),
        high=min(gain.high, 1.0),
        queries=len(queries),
        pairs=len(scores),
        metric=metric,
        figures={depth: each.value for depth, each in measured.items()},
        changes={depth: measured[depth].against(measured[0]) for depth in depths[1:]},
    )


def check_qrels(
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, float] | Mapping[int, float]],
    store: Store,
) -> list[dict[str, float]]:
    """For each query the grades of documents by their ids; InputError names what is wrong."""
    if not (isinstance(queries, Mapping) and isinstance(qrels, Mapping)):
        raise InputError("queries and qrels are dicts, by the queries' names.")
    if len(queries) < _FEWEST:
        raise InputError(f"{len(queries)} labelled queries are too few: label at least {_FEWEST}.")
    grades = []
    for name in queries:
        judged = qrels.get(name, {})
        values = [
            real_number(f"qrels[{name!r}][{row_id!r}]", grade, least=0)
            for row_id, grade in judged.items()
        ]
        if not any(values):
            raise InputError(f"query {name!r} has no relevant document in qrels: leave it out.")
        grades.append(dict(zip(check_ids(list(judged)), values, strict=True)))
    judged_ids = {row_id for each in grades for row_id in each}
    if missing := judged_ids - store.get(judged_ids).keys():
        raise InputError(
            f"qrels has {counted(len(missing), 'id')} that the index does not have, such as "
            f"{min(missing)!r}."
        )
    return grades
