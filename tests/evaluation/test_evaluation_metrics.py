"""Metrics against scikit-learn and ir-measures, to 1e-9, on random and on tied answers."""

from typing import Any

import ir_measures
import numpy as np
import pytest
from answers import Known
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, nDCG
from sklearn import metrics as sklearn_metrics

from sememe.evaluation import metrics
from sememe.evaluation.kinds import PairTask, RerankingTask, RetrievalTask, TextTask, TripletTask
from sememe.evaluation.tasks import load_task

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(2, 60)
coarse = st.booleans()
EXACT = 1e-9


def drawn(random: np.random.Generator, n: int, coarse: bool) -> Any:
    """Scores, coarse ones with many ties."""
    return random.integers(0, 4, n) / 4 if coarse else random.normal(size=n)


# --- pairs ---


def pair_task(kind: Any, scores: Any, gold: Any) -> tuple[PairTask, Known]:
    pairs = [(f"a{i}", f"b{i}") for i in range(len(gold))]
    task = PairTask(kind, "pairs", pairs, gold)
    return task, Known(dict(zip(pairs, scores.tolist(), strict=True)))


@pytest.mark.slow
@given(seed=seeds, n=sizes, coarse=coarse)
def test_similarity_equals_scipys_correlations(seed: int, n: int, coarse: bool) -> None:
    from scipy import stats

    random = np.random.default_rng(seed)
    scores, gold = drawn(random, n, coarse), random.integers(0, 6, n) / 2
    assume(np.ptp(scores) > 0)
    assume(np.ptp(gold) > 0)
    task, system = pair_task("similarity", scores, gold)
    found = task.measure(system)
    assert found["Spearman"].value == pytest.approx(
        stats.spearmanr(scores, gold).statistic, abs=EXACT
    )
    assert found["Pearson"].value == pytest.approx(
        stats.pearsonr(scores, gold).statistic, abs=EXACT
    )


@pytest.mark.parametrize("ties", ["average", "min", "max"])
@given(seed=seeds, n=sizes, coarse=coarse)
def test_ranks_equal_scipys(ties: Any, seed: int, n: int, coarse: bool) -> None:
    from scipy.stats import rankdata

    scores = drawn(np.random.default_rng(seed), n, coarse)
    assert metrics.rank_scores(scores, ties).tolist() == rankdata(scores, ties).tolist()


@pytest.mark.slow
@settings(max_examples=25)
@given(seed=seeds, n=st.integers(2, 16), coarse=coarse)
def test_labelled_pairs_equal_scikit_learns(seed: int, n: int, coarse: bool) -> None:
    random = np.random.default_rng(seed)
    scores, gold = drawn(random, n, coarse), random.integers(0, 2, n)
    assume(0 < gold.sum() < n)
    task, system = pair_task("pairs", scores, gold)
    found = task.measure(system)
    expected = sklearn_metrics.average_precision_score(gold, scores)
    assert found["average precision"].value == pytest.approx(expected, abs=EXACT)
    thresholds = [*np.unique(scores), np.inf]
    f1 = max(sklearn_metrics.f1_score(gold, scores >= each, zero_division=0) for each in thresholds)
    right = max(sklearn_metrics.accuracy_score(gold, scores >= each) for each in thresholds)
    assert found["best F1"].value == pytest.approx(f1, abs=EXACT)
    assert found["best accuracy"].value == pytest.approx(right, abs=EXACT)


@given(seed=seeds, n=sizes)
def test_places_stand_for_scores_in_every_draw(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    scores, gold = drawn(random, n, True), random.integers(0, 2, n)
    rows = random.integers(0, n, n)
    for statistic in (
        metrics.spearman, metrics.average_precision, metrics.best_f1, metrics.best_accuracy
    ):  # fmt: skip
        of_scores = statistic(scores[rows], gold[rows])
        of_places = statistic(metrics.places(scores)[rows], gold[rows])
        assert of_places == pytest.approx(of_scores, abs=EXACT, nan_ok=True)


def test_a_tie_is_no_right_triplet() -> None:
    scores = {("a", "p"): 0.5, ("a", "n"): 0.5, ("b", "p"): 0.6, ("b", "n"): 0.5}
    rows = [("a", "p", "n"), ("b", "p", "n")]
    assert TripletTask("triplets", rows).measure(Known(scores))["accuracy"].value == 0.5


# --- rankings ---

MEASURES = {
    "nDCG@10": nDCG @ 10, "MAP": AP, "MRR": RR, "recall@10": R @ 10, "recall@100": R @ 100,
    "precision@10": P @ 10,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*tell next to nothing")
@settings(max_examples=40)
@given(seed=seeds, coarse=coarse, queries=st.integers(2, 5), documents=st.integers(2, 130))
def test_retrieval_equals_trec_evals(seed: int, coarse: bool, queries: int, documents: int) -> None:
    random = np.random.default_rng(seed)
    corpus = {str(i): f"document {i}" for i in random.permutation(10 * documents)[:documents]}
    asked = {f"q{i}": f"query {i}" for i in range(queries)}
    qrels = {
        query: {each: int(random.integers(0, 4)) for each in corpus if random.random() < 0.3}
        for query in asked
    }
    for judged in qrels.values():
        judged[next(iter(corpus))] = 1
    scores = {
        query: dict(zip(corpus, drawn(random, documents, coarse), strict=True)) for query in asked
    }
    task = load_task(tables(corpus, asked, qrels))
    system = Known(
        {(asked[q], corpus[d]): score for q, row in scores.items() for d, score in row.items()}
    )
    found = task.measure(system)
    per_query = {
        (result.query_id, str(result.measure)): result.value
        for result in ir_measures.iter_calc(MEASURES.values(), qrels, scores)
    }
    for name, measure in MEASURES.items():
        expected = [per_query[query, str(measure)] for query in asked]
        np.testing.assert_allclose(found[name].values, expected, atol=EXACT)


def test_a_document_with_a_grade_below_0_is_left_out_of_the_ranking() -> None:
    documents = [f"document {i}" for i in range(5)]
    system = Known({("q", text): -float(i) for i, text in enumerate(documents)})
    task = RetrievalTask("toys", ["q"], documents, [{0: -1.0, 1: 1.0, 4: 2.0}])
    beside = RetrievalTask("toys", ["q"], documents[1:], [{0: 1.0, 3: 2.0}])
    expected = {name: each.value for name, each in beside.measure(system).items()}
    found = {name: each.value for name, each in task.measure(system).items()}
    assert found == expected
    assert found["MRR"] == 1


def tables(corpus: dict[str, str], queries: dict[str, str], qrels: Any) -> dict[str, Any]:
    rows = [(q, d, grade) for q, judged in qrels.items() for d, grade in judged.items()]
    query_ids, document_ids, grades = zip(*rows, strict=True)
    return {
        "corpus": {"_id": list(corpus), "text": list(corpus.values())},
        "queries": {"_id": list(queries), "text": list(queries.values())},
        "qrels": {"query-id": query_ids, "corpus-id": document_ids, "score": grades},
    }


@pytest.mark.slow
@settings(max_examples=40)
@given(seed=seeds, coarse=coarse)
def test_reranking_equals_trec_evals_with_relevant_ties_last(seed: int, coarse: bool) -> None:
    random = np.random.default_rng(seed)
    grades = [np.append(random.integers(0, 2, random.integers(1, 9)), 1) for _ in range(3)]
    candidates = [[f"{q} {i}" for i in range(len(each))] for q, each in enumerate(grades)]
    scores = [drawn(random, len(each), coarse) for each in grades]
    queries = ["0", "1", "2"]
    task = RerankingTask("answers", queries, candidates, grades)
    known = {
        (query, text): score
        for query, texts, row in zip(queries, candidates, scores, strict=True)
        for text, score in zip(texts, row, strict=True)
    }
    found = task.measure(Known(known))
    # trec_eval puts the higher id of equals first.
    ids = [[f"{'a' if grade else 'b'}{i}" for i, grade in enumerate(each)] for each in grades]
    rows = list(zip(queries, ids, strict=True))
    qrels = {q: dict(zip(row, grades[int(q)].tolist(), strict=True)) for q, row in rows}
    run = {q: dict(zip(row, scores[int(q)].tolist(), strict=True)) for q, row in rows}
    expected = ir_measures.calc_aggregate([AP, RR], qrels, run)
    assert found["MAP"].value == pytest.approx(expected[AP], abs=EXACT)
    assert found["MRR"].value == pytest.approx(expected[RR], abs=EXACT)


# --- groups and classes ---


@pytest.mark.slow
@settings(max_examples=40)
@given(seed=seeds, n=sizes, groups=st.integers(1, 8), labels=st.integers(1, 8))
def test_groups_equal_scikit_learns(seed: int, n: int, groups: int, labels: int) -> None:
    random = np.random.default_rng(seed)
    found, gold = random.integers(0, groups, n), random.integers(0, labels, n)
    texts = [f"text {i}" for i in range(n)]
    task = TextTask("groups", "texts", texts, gold, tuple(map(str, range(labels))))
    measured = task.measure(Known(labels=dict(zip(texts, found, strict=True))))
    expected = {
        "V-measure": sklearn_metrics.v_measure_score(gold, found),
        "ARI": sklearn_metrics.adjusted_rand_score(gold, found),
        "AMI": sklearn_metrics.adjusted_mutual_info_score(gold, found),
    }
    for name, value in expected.items():
        assert measured[name].value == pytest.approx(value, abs=EXACT)


@pytest.mark.slow
@settings(max_examples=40)
@given(seed=seeds, n=sizes)
def test_classes_equal_scikit_learns(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    found, gold = random.integers(0, 5, (2, n))
    texts = [f"text {i}" for i in range(n)]
    task = TextTask("classes", "texts", texts, gold, tuple("abcde"), (["x", "y"], np.array([0, 1])))
    measured = task.measure(Known(labels=dict(zip(texts, found, strict=True))))
    right = sklearn_metrics.accuracy_score(gold, found)
    macro = sklearn_metrics.f1_score(gold, found, average="macro", zero_division=0)
    assert measured["accuracy"].value == pytest.approx(right, abs=EXACT)
    assert measured["macro F1"].value == pytest.approx(macro, abs=EXACT)


def test_repetitions_count_as_their_mean() -> None:
    predicted, gold = np.array([[0, 1], [1, 1], [0, 0]]), np.array([0, 1, 1])
    for statistic in (metrics.accuracy, metrics.macro_f1):
        each = [statistic(column, gold) for column in predicted.T]
        assert statistic(predicted, gold) == pytest.approx(np.mean(each))


@pytest.mark.slow
def test_an_interval_of_a_partition_holds_its_own_figure() -> None:
    random = np.random.default_rng(0)
    gold = random.integers(0, 40, 200)
    found = np.where(random.random(200) < 0.7, gold, random.integers(0, 40, 200))
    texts = [f"text {i}" for i in range(200)]
    task = TextTask("groups", "texts", texts, gold, tuple(map(str, range(40))))
    measured = task.measure(Known(labels=dict(zip(texts, found, strict=True))))
    for metric in ("V-measure", "ARI", "AMI"):
        interval = measured[metric].interval()
        assert interval.low < interval.value < interval.high
