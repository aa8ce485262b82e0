"""How many candidates of each query a cross-encoder reads: a budget, or what labels say pays."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.arguments import real_number
from sememe.costs import Budget
from sememe.encoders import CrossEncoder
from sememe.errors import InputError
from sememe.evaluation.intervals import Comparison, interval, paired_test
from sememe.evaluation.metrics import ranking
from sememe.progress import counted
from sememe.search.rows import Match, check_ids
from sememe.search.store import Store

_PROBE = 64  # pairs that tell how fast a cross-encoder is
_DEPTHS = (5, 10, 20, 50, 100, 200, 500, 1000)
_FEWEST = 10  # labelled queries: fewer say nothing


def check_reranker(cross: CrossEncoder) -> CrossEncoder:
    """The cross-encoder; InputError for one without one score to rank by."""
    if len(cross.labels) > 1:
        raise InputError(
            f"rerank has the labels {', '.join(cross.labels)}, so no one score to rank by; "
            "give a cross-encoder with one label."
        )
    return cross


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
        gain: the change of nDCG by reranking, measured on queries that did not choose the depth.
        low, high: the 95 % interval of the gain; the depth is 0 unless it is above 0.
        queries: how many labelled queries there are.
        pairs: how many pairs were scored to find out.
        metric: `nDCG@10`, or whatever `top_k` made of it.
        figures: by depth, 0 for no reranking: the metric.
        changes: by depth: how it differs from no reranking, with the 95 % interval.
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

    def __str__(self) -> str:
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
    return RerankDepth(
        depth=best(np.arange(len(queries))) if gain.low > 0 else 0,
        gain=gain.value,
        low=gain.low,
        high=gain.high,
        queries=len(queries),
        pairs=len(scores),
        metric=metric,
        figures={depth: float(values[depth].mean()) for depth in depths},
        changes={depth: paired_test(np.mean, values[depth], values[0]) for depth in depths[1:]},
    )


def check_qrels(
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, float] | Mapping[int, float]],
    store: Store,
) -> list[dict[str, float]]:
    """For each query the grades of documents by their ids; InputError names what is wrong."""
    if len(queries) < _FEWEST:
        raise InputError(f"{len(queries)} queries say too little: label at least {_FEWEST}.")
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
