"""How well documents are ranked for queries, by trec_eval's conventions.

A run gives each document that was found for a query a score, and qrels give each that was judged
a grade: above 0 is relevant, and what was not judged is not. Of equal scores the document with the
greater id comes first. Every function returns float64, one value for each query of the qrels in
their order: 0 where the run lacks the query, or no document is relevant. Queries of the run that
nobody judged are left out. Only the first `k` documents of a ranking count; None counts all.

All raise InputError for k below 1, a run without any query of the qrels, and a score that is NaN.

    >>> ndcg({"q": {"a": 0.9, "b": 0.7}}, {"q": {"a": 1, "c": 0}}, k=10).tolist()
    [1.0]
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sememe.errors import InputError

Run = Mapping[str, Mapping[str, float]]
Qrels = Mapping[str, Mapping[str, int]]
Floats = NDArray[np.float64]


def ndcg(run: Run, qrels: Qrels, k: int | None = None) -> Floats:
    """Normalised discounted cumulative gain of each query; a document's gain is its grade."""
    graded = _graded(run, qrels, k)
    return np.array([_gain(ranked) / (_gain(ideal[:k]) or 1) for ranked, ideal in graded])


def mean_average_precision(run: Run, qrels: Qrels, k: int | None = None) -> Floats:
    """Average precision of each query, whose mean is MAP."""
    values = []
    for ranked, ideal in _graded(run, qrels, k):
        positions = _hits(ranked)
        precision = np.arange(1, len(positions) + 1) / positions
        values.append(precision.sum() / max(1, len(ideal)))
    return np.array(values)


def reciprocal_rank(run: Run, qrels: Qrels, k: int | None = None) -> Floats:
    """One over the rank of each query's first relevant document, whose mean is MRR."""
    return np.array([(1 / _hits(ranked)).max(initial=0) for ranked, _ in _graded(run, qrels, k)])


def recall(run: Run, qrels: Qrels, k: int | None = None) -> Floats:
    """The share of each query's relevant documents that was found."""
    graded = _graded(run, qrels, k)
    return np.array([len(_hits(ranked)) / max(1, len(ideal)) for ranked, ideal in graded])


def _gain(grades: Floats) -> float:
    return float((grades / np.log2(np.arange(len(grades)) + 2)).sum())


def _hits(ranked: Floats) -> NDArray[np.intp]:
    """The ranks, from 1, of the relevant documents."""
    return np.flatnonzero(ranked) + 1


def _graded(run: Run, qrels: Qrels, k: int | None) -> Iterator[tuple[Floats, Floats]]:
    """For each query, the grades as ranked, to the k-th, and all grades above 0, best first."""
    if k is not None and k < 1:
        raise InputError(f"k={k}: count at least 1 document.")
    if not run.keys() & qrels.keys():
        raise InputError(
            f"none of the {len(qrels)} queries of the qrels is among the {len(run)} of the run: "
            "give both the same ids."
        )
    for query, judged in qrels.items():
        grades = {document: float(grade) for document, grade in judged.items() if grade > 0}
        ranked = [grades.get(document, 0.0) for document in _ranked(query, run.get(query, {}))[:k]]
        yield np.array(ranked), np.array(sorted(grades.values(), reverse=True))


def _ranked(query: str, scores: Mapping[str, float]) -> list[str]:
    for document, score in scores.items():
        if score != score:
            raise InputError(f"the score of document {document!r} for query {query!r} is NaN.")
    return sorted(scores, key=lambda document: (scores[document], document), reverse=True)
