"""Measures against scipy, scikit-learn and loops; a tie or a NaN never speaks for a model."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import accuracy_score, average_precision_score

from sememe.data import Examples, load
from sememe.errors import InputError
from sememe.evaluation.measures import Measurement, measure_bi, measure_cross
from sememe.evaluation.metrics import spearman
from training_tables import KINDS, table

TABLES = {kind: load(table(kind, 30, seed=5)) for kind in KINDS}
seeds = st.integers(0, 2**32 - 1)


def encoder(seed: int, coarse: bool = False) -> Callable[[Sequence[str]], Any]:
    """Random vectors, one a text; `coarse` ones make ties."""
    known: dict[str, Any] = {}

    def encode(texts: Sequence[str]) -> Any:
        for text in texts:
            if text not in known:
                random = np.random.default_rng([seed, *text.encode()])
                drawn = random.integers(-1, 2, 2) if coarse else random.normal(size=6)
                known[text] = drawn.astype(np.float32)
        return np.stack([known[text] for text in texts])

    return encode


def cosine(a: Any, b: Any) -> float:
    lengths = float(np.linalg.norm(a.astype(float)) * np.linalg.norm(b.astype(float)))
    return float(a.astype(float) @ b.astype(float)) / lengths if lengths else 0.0


def cosines(examples: Examples, encode: Any) -> list[float]:
    pairs = [example.texts for example in examples]
    return [cosine(encode([a])[0], encode([b])[0]) for a, b in pairs]


# --- bi-encoders ---


@given(seed=seeds)
@settings(max_examples=10)
def test_scored_pairs_are_measured_by_spearman(seed: int) -> None:
    examples, encode = TABLES["scored pairs"], encoder(seed)
    found = measure_bi(examples, encode)
    expected = spearmanr(cosines(examples, encode), examples.targets).statistic
    assert found.metric == "Spearman"
    assert found.value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("alike", [0, 1])
def test_labelled_pairs_are_measured_by_average_precision(alike: int) -> None:
    examples, encode = TABLES["labelled pairs"], encoder(1)
    found = measure_bi(examples, encode, alike)
    assert examples.targets is not None
    expected = average_precision_score(examples.targets == alike, cosines(examples, encode))
    assert found.metric == "average precision"
    assert found.value == pytest.approx(expected)


def test_labels_that_do_not_say_unclear_positive_label_are_asked_for() -> None:
    for measure in (measure_bi, measure_cross):
        with pytest.raises(InputError, match=r"has the labels 0, 1: say which .* --positive LABEL"):
            measure(TABLES["labelled pairs"], encoder_or_score)


def encoder_or_score(items: Sequence[Any]) -> Any:
    return np.ones((len(items), 1), np.float32)


@pytest.mark.slow
@given(seed=seeds, coarse=st.booleans())
@settings(max_examples=20)
def test_pairs_are_measured_by_the_rank_of_the_positive_among_all(seed: int, coarse: bool) -> None:
    examples, encode = repeated(), encoder(seed, coarse)
    rows = [example.texts for example in examples]
    documents = {positive for _, positive in rows}
    answers = {a: {p for other, p in rows if other == a} for a, _ in rows}
    expected = []
    for anchor, positive in rows:
        own = cosine(encode([anchor])[0], encode([positive])[0])
        rivals = documents - answers[anchor]
        scores = [cosine(encode([anchor])[0], encode([rival])[0]) for rival in rivals]
        rank = 1 + sum(score >= own - 1e-12 for score in scores)
        expected.append(1 / rank if rank <= 10 else 0.0)
    found = measure_bi(examples, encode)
    assert found.metric == "MRR@10"
    np.testing.assert_allclose(found.values, expected)
    assert found.value == pytest.approx(np.mean(expected))


def repeated() -> Examples:
    """Pairs of which some share an anchor, and some a positive."""
    anchors = [f"anchor {i % 20}" for i in range(30)]
    return load({"anchor": anchors, "positive": [f"positive {i % 17}" for i in range(30)]})


@given(seed=seeds, coarse=st.booleans(), negatives=st.integers(1, 3))
@settings(max_examples=20)
def test_triplets_are_measured_by_whether_the_positive_is_nearest(
    seed: int, coarse: bool, negatives: int
) -> None:
    columns = {"anchor": "a", "positive": "p", "negative": "n"}
    columns |= {f"negative_{i}": f"n{i}" for i in range(2, negatives + 1)}
    examples = load({name: [f"{x} {i}" for i in range(25)] for name, x in columns.items()})
    encode, right = encoder(seed, coarse), []
    for example in examples:
        anchor, positive, *others = encode(example.texts)
        nearest = max(cosine(anchor, other) for other in others)
        right.append(cosine(anchor, positive) > nearest + 1e-12)
    found = measure_bi(examples, encode)
    assert found.metric == "triplet accuracy"
    np.testing.assert_array_equal(found.values, right)


def test_taught_triplets_are_triplets() -> None:
    encode = encoder(3)
    found, expected = (measure_bi(TABLES[k], encode) for k in ("taught triplets", "triplets"))
    np.testing.assert_array_equal(found.values, expected.values)


def test_labelled_texts_are_measured_by_triplets_of_their_labels() -> None:
    examples, asked = TABLES["labelled texts"], list[Sequence[str]]()

    def encode(texts: Sequence[str]) -> Any:
        asked.append(texts)
        return encoder(1)(texts)

    found = measure_bi(examples, encode)
    label = {example.texts[0]: example.target for example in examples}
    anchors, positives, negatives = asked
    assert list(anchors) == list(label)
    for a, p, n in zip(anchors, positives, negatives, strict=True):
        assert a != p
        assert label[a] == label[p] != label[n]
    again = measure_bi(examples, encode)
    np.testing.assert_array_equal(found.values, again.values)
    assert asked[3:] == asked[:3], "all models are measured by the same triplets"


def test_labelled_texts_without_a_second_of_a_label_are_refused() -> None:
    examples = TABLES["labelled texts"]
    _, lone = np.unique(np.asarray(examples.targets), return_index=True)
    with pytest.raises(InputError, match=r"no two examples of one label .*; hold out more of it"):
        measure_bi(examples.subset(lone), encoder(1))


# --- cross-encoders ---


def scorer(seed: int, labels: int = 1, coarse: bool = False) -> Any:
    def score(pairs: Sequence[tuple[str, str]]) -> Any:
        drawn = [
            np.random.default_rng([seed, *(a + "|" + b).encode()]).normal(size=labels)
            for a, b in pairs
        ]
        return np.round(drawn) if coarse else np.array(drawn, np.float32)

    return score


def test_a_cross_encoder_s_scores_are_measured_as_cosines_are() -> None:
    score, scored, labelled = scorer(1), TABLES["scored pairs"], TABLES["labelled pairs"]
    found = measure_cross(scored, score)
    expected = spearmanr(score([each.texts for each in scored])[:, 0], scored.targets).statistic
    assert found.metric == "Spearman"
    assert found.value == pytest.approx(expected)
    found = measure_cross(labelled, score, 1)
    own = score([each.texts for each in labelled])[:, 0]
    expected = average_precision_score(labelled.targets, own)
    assert found.metric == "average precision"
    assert found.value == pytest.approx(expected)


def test_a_logit_a_label_is_measured_by_accuracy() -> None:
    examples, score = TABLES["labelled pairs"], scorer(2, labels=2)
    found = measure_cross(examples, score)
    chosen = score([example.texts for example in examples]).argmax(1)
    assert found.metric == "accuracy"
    assert found.value == pytest.approx(accuracy_score(examples.targets, chosen))
    assert 0.2 < found.value < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pairs", "triplets", "taught triplets"])
@pytest.mark.parametrize("coarse", [False, True])
def test_rankings_are_among_twenty_candidates(kind: str, coarse: bool) -> None:
    examples, asked = repeated() if kind == "pairs" else TABLES[kind], list[tuple[str, str]]()

    def score(pairs: Sequence[tuple[str, str]]) -> Any:
        asked.extend(pairs)
        return scorer(4, coarse=coarse)(pairs)

    found = measure_cross(examples, score)
    rows = [example.texts for example in examples]
    answers: dict[str, set[str]] = {}
    for query, *own in rows:
        answers.setdefault(query, set()).update(own)
    pool = {row[1] for row in rows}
    expected, start = [], 0
    for query, positive, *negatives in rows:
        count = min(20, len(pool - answers[query]) + 1 + len(negatives))
        candidates = asked[start : start + count]
        start += count
        assert {asked_for for asked_for, _ in candidates} == {query}
        documents = [document for _, document in candidates]
        assert len(set(documents)) == count
        assert documents[: 1 + len(negatives)] == [positive, *negatives]
        assert not set(documents[1 + len(negatives) :]) & answers[query]
        scores = scorer(4, coarse=coarse)(candidates)[:, 0]
        expected.append(1 / (scores >= scores[0]).sum())
    assert start == len(asked)
    assert found.metric == "MRR among 20"
    np.testing.assert_allclose(found.values, expected)


# --- nothing speaks for a model that says nothing ---


def constant(value: float, labels: int = 2) -> Any:
    return lambda items: np.full((len(items), labels), value, np.float32)


@pytest.mark.parametrize("value", [1.0, np.nan])
@pytest.mark.parametrize("kind", ["pairs", "triplets", "labelled texts"])
def test_vectors_that_are_all_alike_or_no_numbers_are_worth_nothing(
    kind: str, value: float
) -> None:
    assert measure_bi(TABLES[kind], constant(value)).value <= 0.04


@pytest.mark.parametrize("value", [1.0, np.nan])
@pytest.mark.parametrize("kind", ["pairs", "triplets"])
def test_scores_that_are_all_alike_or_no_numbers_come_last(kind: str, value: float) -> None:
    assert measure_cross(TABLES[kind], constant(value, 1)).value == pytest.approx(1 / 20)


@pytest.mark.parametrize("value", [1.0, np.nan])
def test_a_logit_that_is_not_above_all_others_is_no_answer(value: float) -> None:
    assert measure_cross(TABLES["labelled pairs"], constant(value)).value == 0


@pytest.mark.slow
def test_a_model_that_gives_every_pair_one_score_has_no_order() -> None:
    examples = TABLES["scored pairs"]
    for found in (measure_bi(examples, constant(1.0)), measure_cross(examples, constant(1.0, 1))):
        assert found.value == 0
        assert found.value == 0
    better = measure_bi(examples, encoder(1))
    assert better.against(found).difference == pytest.approx(better.value)


# --- how sure ---


def test_no_difference_is_larger_than_figures_allow() -> None:
    good, bad = (
        Measurement("accuracy", np.mean, np.array(right))
        for right in ([1.0, 1, 1, 1, 0], [0.0] * 5)
    )
    assert good.drawn.against(bad.drawn).high > 1
    assert good.against(bad).high == 1
    assert bad.against(good).low == -1
    # A correlation of -1 may become one of 1.
    gold = np.arange(6.0)
    right, wrong = (
        Measurement("Spearman", spearman, scores, (gold,))
        for scores in (gold[[1, 0, 2, 3, 5, 4]], -gold)
    )
    assert 1 < right.against(wrong).difference < right.against(wrong).high <= 2


@pytest.mark.slow
def test_what_is_compared_is_the_same_examples() -> None:
    examples = TABLES["scored pairs"]
    good = dict(zip([e.texts for e in examples], np.asarray(examples.targets), strict=True))
    perfect = measure_cross(examples, lambda pairs: np.array([[good[pair]] for pair in pairs]))
    chance = measure_cross(examples, scorer(1))
    assert perfect.value == 1
    assert perfect.value == 1
    found = perfect.against(chance)
    assert found.difference == pytest.approx(1 - chance.value)
    assert found.low > 0
    assert found.p < 0.01
    assert chance.against(perfect).high < 0
    same = chance.against(chance)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
