"""How many candidates a cross-encoder reads: budgets of searches, and the depth that labels pay."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import nDCG

from sememe import CrossEncoder, Index
from sememe.errors import InputError
from sememe.search.ranking import reading_order
from sememe.search.rows import Match, Row
from tiny_models import WORDS, Tiny, make_cross_encoder

Rule = Callable[[str, str], float]


class Judge(CrossEncoder):
    """A cross-encoder whose scores are a rule's, and which counts what it reads."""

    rule: Rule
    pairs: list[tuple[str, str]]

    def score(self, pairs: Any, **options: Any) -> Any:
        super().score(pairs, **options)
        self.pairs = [*getattr(self, "pairs", []), *pairs]
        return np.array([self.rule(*pair) for pair in pairs], np.float32)


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    make_cross_encoder(tmp_path / "cross")
    return Judge(tmp_path / "cross", precision="f32")


@pytest.fixture
def index(tmp_path: Path, tiny: Tiny) -> Iterator[Index]:
    """Forty texts, of which each names itself by a number."""
    random, words = np.random.default_rng(0), [word for word in WORDS.split() if word.islower()]
    with Index.create(tmp_path / "index", tiny.directory) as index:
        index.add(
            [f"{' '.join(random.choice(words, 4))} {number}" for number in range(40)], range(40)
        )
        yield index


QUERIES = {f"q{number}": f"the {word} of people" for number, word in enumerate(WORDS.split()[:30])}
QRELS: dict[str, Mapping[Any, float]] = {name: {place: 1} for place, name in enumerate(QUERIES)}


def knowing(query: str, text: str) -> float:
    """Puts the text that answers it before all others."""
    place = list(QUERIES.values()).index(query)
    return float(text.split()[-1] == str(place))


def ids(hits: Any) -> list[str]:
    return [hit.id for hit in hits]


@pytest.mark.slow
def test_a_budget_reads_the_best_and_leaves_the_others_where_they_were(
    index: Index, judge: Judge
) -> None:
    judge.rule = lambda _, text: -float(text.split()[-1])
    plain = index.search("people", top_k=10)
    hits = index.search("people", top_k=10, rerank=judge, budget=4)
    assert len(judge.pairs) == 4
    assert ids(hits[:4]) == sorted(ids(plain[:4]), key=int)
    assert [(hit.id, hit.score) for hit in hits[4:]] == [(hit.id, hit.score) for hit in plain[4:]]
    assert index.search("people", rerank=judge, budget="all") == index.search(
        "people", rerank=judge
    )


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "pairs"), [("3n", 90), (100, 100), ("1h", 1200), ("all", 1200)])
def test_queries_share_a_budget(index: Index, judge: Judge, budget: Any, pairs: int) -> None:
    judge.rule = knowing
    hits = index.search_many(list(QUERIES.values()), rerank=judge, budget=budget)
    assert len(judge.pairs) == pairs
    assert [len(each) for each in hits] == [10] * len(QUERIES)


@given(
    scores=st.lists(
        st.lists(st.floats(-1, 1), max_size=12).map(lambda each: sorted(each, reverse=True)),
        max_size=5,
    ),
    top_k=st.integers(1, 6),
)
def test_the_first_of_every_query_are_read_and_then_the_closest(
    scores: list[list[float]], top_k: int
) -> None:
    rankings = [[Match(Row("", "", {}), score) for score in each] for each in scores]
    order = reading_order(rankings, top_k)
    assert sorted(order) == [
        (q, rank) for q, each in enumerate(scores) for rank in range(len(each))
    ]
    first = sum(min(top_k, len(each)) for each in scores)
    assert all(rank < top_k or scores[q][rank] == scores[q][top_k - 1] for q, rank in order[:first])
    gaps = [scores[q][top_k - 1] - scores[q][rank] for q, rank in order[first:]]
    assert gaps == sorted(gaps)
    for query in range(len(scores)):
        ranks = [rank for q, rank in order if q == query]
        assert ranks == sorted(ranks)


@pytest.mark.slow
def test_a_cross_encoder_that_knows_the_answers_is_read_as_deep_as_they_lie(
    index: Index, judge: Judge
) -> None:
    judge.rule = knowing
    depth = index.tune_rerank(QUERIES, QRELS, judge)
    assert depth.depth == 40
    assert depth.low > 0
    assert depth.figures[40] == 1
    assert depth.figures == dict(sorted(depth.figures.items())), "deeper is better here"
    assert str(depth).startswith('Read 40 pairs a query (budget="40n")')
    assert len(judge.pairs) == depth.pairs == 40 * len(QUERIES), "no pair is read twice"
    texts = list(QUERIES.values())
    shallow = index.search_many(texts, rerank=judge, budget="5n")
    run = {
        name: {hit.id: -float(rank) for rank, hit in enumerate(hits)}
        for name, hits in zip(QUERIES, shallow, strict=True)
    }
    gold = {name: {str(row_id): 1 for row_id in judged} for name, judged in QRELS.items()}
    found = ir_measures.calc_aggregate([nDCG @ 10], gold, run)[nDCG @ 10]
    assert depth.figures[5] == pytest.approx(found), "it measures what a search does"


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule", [lambda q, t: -knowing(q, t), lambda *_: 0.0], ids=["wrong", "constant"]
)
def test_a_cross_encoder_that_does_not_help_is_left_out(
    index: Index, judge: Judge, rule: Rule
) -> None:
    judge.rule = rule
    depth = index.tune_rerank(QUERIES, QRELS, judge, mode="hybrid", candidates=20)
    assert depth.depth == 0
    assert str(depth).startswith("Search without this cross-encoder")
    assert set(depth.figures) == {0, 5, 10, 20}
    assert all(change.difference <= 0 for change in depth.changes.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("queries", "qrels", "message"),
    [
        (
            dict(list(QUERIES.items())[:9]),
            QRELS,
            "9 labelled queries are too few: label at least 10",
        ),
        (QUERIES, {}, "query 'q0' has no relevant document in qrels"),
        (QUERIES, QRELS | {"q3": {1: 0}}, "query 'q3' has no relevant document"),
        (QUERIES, QRELS | {"q3": {1: -1}}, r"qrels\['q3'\]\[1\]=-1: give a number of at least 0"),
        (QUERIES, QRELS | {"q3": {77: 1}}, "1 id that the index does not have, such as '77'"),
    ],
)
def test_labels_that_say_nothing_are_refused(
    index: Index, judge: Judge, queries: Any, qrels: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        index.tune_rerank(queries, qrels, judge)


def test_a_budget_for_nobody_is_refused(index: Index, judge: Judge) -> None:
    with pytest.raises(InputError, match="budget= is for a cross-encoder: give rerank= too"):
        index.search("people", budget=10)
    with pytest.raises(InputError, match="budget=0: give pairs for each text"):
        index.search("people", rerank=judge, budget=0)
