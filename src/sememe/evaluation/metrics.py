"""Metrics as functions of arrays: what an interval computes a thousand times.

scikit-learn and ir-measures have them, and check their input so long that 1,000 draws would take
minutes; `tests/evaluation` holds these equal to theirs. Where only the order of scores
matters, whole numbers from 0 (see `places`) stand for them, and nothing is sorted again.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.errors import InputError

Array = npt.NDArray[Any]

NOT_FINITE = "a score is not a finite number: the model gives nothing to measure."


def places(scores: npt.ArrayLike) -> Array:
    """Each score's place among the different ones, int64 from 0 for the lowest; ties share it.

    Raises:
        InputError: a score is not a finite number.

    >>> places([0.2, 0.9, 0.2, 0.5]).tolist()
    [0, 2, 0, 1]
    """
    scores = np.asarray(scores)
    if (
        scores.dtype.kind == "i"
        and 0 <= scores.min(initial=0) <= scores.max(initial=0) < scores.size
    ):
        return scores  # they are places already, if not without gaps
    if not np.isfinite(scores).all():
        raise InputError(NOT_FINITE)
    return np.unique(scores, return_inverse=True)[1].reshape(scores.shape)


def spearman(scores: Array, gold: Array) -> float:
    """Spearman's rank correlation; 0 for scores that are all the same, NaN for such a gold."""
    return pearson(rank_scores(scores), rank_scores(gold))


def pearson(scores: Array, gold: Array) -> float:
    """Pearson's correlation; 0 for scores that are all the same, NaN for such a gold."""
    if np.ptp(gold) == 0:
        return float("nan")
    if np.ptp(scores) == 0:
        return 0.0  # a model that has collapsed gives no order
    x, y = (values - values.mean() for values in (np.asarray(scores, np.float64), gold))
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def rank_scores(scores: Array, ties: str = "average") -> Array:
    """Each score's rank from 1 for the lowest, as scipy.stats.rankdata: its import takes long."""
    place = places(scores)
    counts = np.bincount(place)
    last = counts.cumsum()
    first = last - counts + 1
    ranks: Array = {"average": (first + last) / 2, "min": first, "max": last}[ties]
    return ranks[place]


def average_precision(scores: Array, relevant: Array) -> float:
    """The mean, over the relevant items, of the precision where each comes in; ties come together.

    NaN where only relevant items or none are there.
    """
    items, hits = _from_the_top(scores, relevant)
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / items).sum() / hits[-1]) if 0 < hits[-1] < items[-1] else np.nan


def best_f1(scores: Array, relevant: Array) -> float:
    """F1 at the threshold where it is highest; NaN where only relevant items or none are there."""
    items, hits = _from_the_top(scores, relevant)
    return float((2 * hits / (items + hits[-1])).max()) if 0 < hits[-1] < items[-1] else np.nan


def best_accuracy(scores: Array, relevant: Array) -> float:
    """Accuracy at the threshold where it is highest, which may be above or below all scores."""
    items, hits = _from_the_top(scores, relevant)
    gain = max(0.0, float((2 * hits - items).max()))  # against calling nothing relevant
    return float((items[-1] - hits[-1] + gain) / items[-1])


def _from_the_top(scores: Array, relevant: Array) -> tuple[Array, Array]:
    """How many items, and how many relevant ones, have at least each score, the highest first."""
    place = places(scores)
    items = np.bincount(place)[::-1].cumsum()
    hits = np.bincount(place, weights=relevant)[::-1].cumsum()
    return np.maximum(items, 1), hits  # of a draw, the highest place may be empty


def accuracy(predicted: Array, gold: Array) -> float:
    """The share of labels that are right; predictions may have a column for each repetition."""
    return float((gold == predicted.T).mean())


def macro_f1(predicted: Array, gold: Array) -> float:
    """The mean F1 of the classes, whole numbers from 0, that are predicted or true of any item.

    Of predictions with a column for each repetition, the mean of theirs.
    """
    if predicted.ndim > 1:
        return float(np.mean([macro_f1(column, gold) for column in predicted.T]))
    size = 1 + int(max(predicted.max(), gold.max()))
    hits = np.bincount(gold[predicted == gold], minlength=size)
    totals = np.bincount(predicted, minlength=size) + np.bincount(gold, minlength=size)
    return float((2 * hits[totals > 0] / totals[totals > 0]).mean())


def v_measure(groups: Array, gold: Array) -> float:
    """The harmonic mean of homogeneity and completeness (Rosenberg and Hirschberg, 2007)."""
    shared, mean = _information(_contingency(groups, gold))
    return shared / mean if mean > 0 else 1.0


def adjusted_rand(groups: Array, gold: Array) -> float:
    """The Rand index adjusted for chance (Hubert and Arabie, 1985)."""
    table = _contingency(groups, gold).astype(np.float64)
    n, both = table.sum(), float((table**2).sum())
    rows, columns = float((table.sum(1) ** 2).sum()), float((table.sum(0) ** 2).sum())
    expected = (rows - n) * (columns - n) / (n * (n - 1))
    highest = (rows + columns) / 2 - n
    return (both - n - expected) / (highest - expected) if highest != expected else 1.0


def adjusted_mutual_information(groups: Array, gold: Array) -> float:
    """Mutual information adjusted for chance (Vinh, Epps and Bailey, 2010)."""
    table = _contingency(groups, gold)
    shared, mean = _information(table)
    expected = _expected_information(table.sum(1), table.sum(0))
    return (shared - expected) / (mean - expected) if mean > expected else 1.0


def _information(table: Array) -> tuple[float, float]:
    """The mutual information of a contingency table, and the mean of its two entropies."""
    n = table.sum()
    of_rows, of_columns, of_both = (
        np.log(n) - float(counts @ np.log(np.maximum(counts, 1))) / n
        for counts in (table.sum(1), table.sum(0), table.ravel())
    )
    return of_rows + of_columns - of_both, (of_rows + of_columns) / 2


def _expected_information(rows: Array, columns: Array) -> float:
    """The mutual information that random partitions of these sizes have on average.

    Each cell is hypergeometric. Cells of equal sizes are computed once, and only where their
    probability is not nothing: within ten deviations of the mean.
    """
    from scipy.special import gammaln

    (a, a_times), (b, b_times) = (
        np.unique(each[each > 0], return_counts=True) for each in (rows, columns)
    )
    a, b, n = a[:, None, None], b[:, None], int(rows.sum())
    logs = gammaln(np.arange(n + 1) + 1)
    mean = a * b / n
    reach = 10 * np.sqrt(mean * (1 - a / n) * (1 - b / n)) + 20
    first = np.maximum(np.maximum(1, a + b - n), (mean - reach).astype(int))
    last = np.minimum(np.minimum(a, b), (mean + reach).astype(int))
    steps = first + np.arange(int((last - first).max(initial=-1)) + 1)
    k = np.minimum(steps, last)
    sizes = logs[a] + logs[b] + logs[n - a] + logs[n - b] - logs[n]
    chance = np.exp(sizes - logs[k] - logs[a - k] - logs[b - k] - logs[n - a - b + k])
    terms = np.where(steps <= last, k / n * np.log(n * k / (a * b)) * chance, 0)
    return float(a_times @ terms.sum(2) @ b_times)


def _contingency(groups: Array, gold: Array) -> Array:
    """How many items have each group (rows) and each label (columns), whole numbers from 0."""
    rows, columns = int(groups.max()) + 1, int(gold.max()) + 1
    counts = np.bincount(groups * columns + gold, minlength=rows * columns)
    return counts.reshape(rows, columns)


def ranking(gains: Array, grades: Sequence[Array], cuts: Sequence[int]) -> dict[str, Array]:
    """What trec_eval says of rankings, one value a query.

    Args:
        gains: float (queries, depth), the grade of what each query ranked first, second, ...; 0
            for what is not relevant, or was not judged.
        grades: of each query, the grades above 0 of all that was judged.
        cuts: the first is nDCG's and precision's; recall has them all.

    Returns:
        nDCG (its gain is the grade: Järvelin and Kekäläinen, 2002), MAP, MRR, recall and precision,
        float (queries,), which have no NaN where each query has a relevant document.

    >>> values = ranking(np.array([[0.0, 1.0]]), [np.array([1.0])], [10])
    >>> {name: value.round(2).tolist() for name, value in values.items()}
    {'nDCG@10': [0.63], 'MAP': [0.5], 'MRR': [0.5], 'recall@10': [1.0], 'precision@10': [0.1]}
    """
    cut = cuts[0]
    rank = 1 + np.arange(gains.shape[1])
    discounts = np.log2(1 + rank[:cut])
    hits, totals = gains > 0, np.array([len(each) for each in grades])
    ideal = [np.sort(each)[::-1][:cut] for each in grades]
    best = np.array([(each / np.log2(2 + np.arange(len(each)))).sum() for each in ideal])
    precision = hits.cumsum(1) / rank
    return {
        f"nDCG@{cut}": (gains[:, :cut] / discounts).sum(1) / best,
        "MAP": (precision * hits).sum(1) / totals,
        "MRR": (hits / rank).max(1),
        **{f"recall@{k}": hits[:, :k].sum(1) / totals for k in cuts},
        f"precision@{cut}": hits[:, :cut].sum(1) / cut,
    }
