from collections.abc import Callable
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import AP, RR, R, nDCG

from sememe.errors import InputError
from sememe.metrics import mean_average_precision, ndcg, recall, reciprocal_rank

TREC_EVAL = ir_measures.providers.registry["pytrec_eval"]
METRICS = [ndcg, mean_average_precision, reciprocal_rank, recall]

# Ids of different lengths and scripts: their order decides between equal scores.
documents = st.sampled_from(["1", "10", "2", "9", "a", "B", "é", "\u4e2d", "z10", "z9"])
tied = st.sampled_from([0.0, 0.5, 1.0])
real = st.floats(-1, 1, width=32)
queries = st.sampled_from(["q1", "q2", "q3"])
runs = st.dictionaries(queries, st.dictionaries(documents, tied | real, min_size=1), min_size=1)
judged = st.dictionaries(documents, st.integers(0, 3), min_size=1)
qrels_of_all = st.fixed_dictionaries({"q1": judged, "q2": judged, "q3": judged})
Run = dict[str, dict[str, float]]
Qrels = dict[str, dict[str, int]]


def by_trec_eval(measure: object, run: Run, qrels: Qrels) -> list[float]:
    values = {m.query_id: m.value for m in TREC_EVAL.iter_calc([measure], qrels, run)}
    return [values[query] for query in qrels]


@given(run=runs, qrels=qrels_of_all, k=st.integers(1, 12))
def test_equal_trec_evals(run: Run, qrels: Qrels, k: int) -> None:
    for ours, measure in (
        (ndcg(run, qrels), nDCG),
        (ndcg(run, qrels, k), nDCG @ k),
        (mean_average_precision(run, qrels), AP),
        (mean_average_precision(run, qrels, k), AP @ k),
        (reciprocal_rank(run, qrels), RR),
        (recall(run, qrels, k), R @ k),
        (recall(run, qrels), R @ 1000),
    ):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, by_trec_eval(measure, run, qrels), atol=1e-12)


@given(run=runs, qrels=qrels_of_all, k=st.integers(1, 12))
def test_reciprocal_rank_ends_at_k(run: Run, qrels: Qrels, k: int) -> None:
    whole, cut = reciprocal_rank(run, qrels), reciprocal_rank(run, qrels, k)
    np.testing.assert_array_equal(cut, np.where(whole * k >= 1 - 1e-9, whole, 0))


def test_values_are_in_the_order_of_the_qrels() -> None:
    qrels = {"q2": {"a": 1}, "q0": {"a": 1}, "q1": {"a": 1, "b": 1}, "q3": {"a": 0}}
    run = {"q1": {"a": 1.0}, "q2": {"b": 0.9, "a": 0.1}, "q3": {"a": 1.0}, "unjudged": {"a": 1.0}}
    assert reciprocal_rank(run, qrels).tolist() == [0.5, 0, 1, 0]
    assert recall(run, qrels).tolist() == [1, 0, 0.5, 0]


@pytest.mark.parametrize("metric", METRICS)
def test_a_grade_below_0_is_not_relevant(
    metric: Callable[..., Any],
) -> None:  # pytrec_eval hangs on them
    run = {"q": {"spam": 0.9, "a": 0.5, "b": 0.2}}
    expected = metric(run, {"q": {"spam": 0, "a": 2, "b": 1}})
    assert metric(run, {"q": {"spam": -2, "a": 2, "b": 1}}) == expected


@pytest.mark.parametrize("metric", METRICS)
def test_say_what_is_wrong(metric: Callable[..., Any]) -> None:
    qrels = {"q1": {"a": 1}}
    with pytest.raises(InputError, match="document 'a' for query 'q1' is NaN"):
        metric({"q1": {"b": 1.0, "a": float("nan")}}, qrels)
    with pytest.raises(InputError, match="k=0"):
        metric({"q1": {"a": 1.0}}, qrels, 0)
    with pytest.raises(InputError, match="none of the 1 queries of the qrels is among the 2"):
        metric({"1": {"a": 1.0}, "2": {}}, qrels)
    with pytest.raises(InputError, match="none of the 0 queries"):
        metric({}, {})
