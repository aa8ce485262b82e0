from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sememe.errors import InputError
from sememe.evaluation.intervals import draw, interval, paired_test
from sememe.evaluation.metrics import average_precision, macro_f1, spearman

Floats = NDArray[np.float64]


def systems(n: int, *noise: float, seed: int = 0) -> list[Floats]:
    """A gold score, and what systems say of it that are off by so much."""
    random = np.random.default_rng(seed)
    gold = random.integers(0, 26, n) / 5
    return [gold, *(gold + random.normal(scale=off, size=n) for off in noise)]


def test_value_is_the_statistic_and_lies_inside() -> None:
    gold, scores = systems(200, 1.0)
    found = interval(spearman, scores, gold)
    assert found.value == spearman(scores, gold)
    assert found.low < found.value < found.high


@pytest.mark.slow
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_interval_is_near_scipys(confidence: float) -> None:
    gold, scores = systems(200, 1.0)
    found = interval(spearman, scores, gold, confidence=confidence)
    expected = stats.bootstrap(
        (scores, gold),
        lambda x, y: stats.spearmanr(x, y).statistic,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="basic",
        confidence_level=confidence,
        rng=1,
    ).confidence_interval
    assert found.low == pytest.approx(expected.low, abs=0.01)
    assert found.high == pytest.approx(expected.high, abs=0.01)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    samples = random.exponential(size=(400, 60))
    found = [interval(np.mean, sample, confidence=0.9, resamples=300) for sample in samples]
    held = np.mean([each.low <= 1 <= each.high for each in found])
    assert 0.83 < held < 0.95


def test_same_seed_same_figures() -> None:
    gold, a, b = systems(100, 1.0, 1.1)
    few: dict[str, int] = {"resamples": 200}
    assert interval(spearman, a, gold, **few) == interval(spearman, a, gold, **few)
    assert interval(spearman, a, gold, **few) != interval(spearman, a, gold, **few, seed=1)
    first, again = (paired_test(spearman, a, b, gold, **few) for _ in range(2))
    assert first == again
    assert first != paired_test(spearman, a, b, gold, **few, seed=1)


@pytest.mark.slow
def test_finds_a_real_difference() -> None:
    gold, good, bad = systems(500, 0.8, 1.4)
    found = paired_test(spearman, good, bad, gold)
    assert found.difference == spearman(good, gold) - spearman(bad, gold)
    assert 0 < found.low < found.difference < found.high
    assert found.p < 1e-3
    other_way = paired_test(spearman, bad, good, gold)
    assert (other_way.difference, other_way.p) == (-found.difference, found.p)
    assert other_way.low == pytest.approx(-found.high)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "enough"), [(2, False), (5, False), (6, True)])
def test_a_few_items_that_agree_prove_nothing(n: int, enough: bool) -> None:
    found = paired_test(np.mean, np.ones(n), np.zeros(n))
    exact = stats.binomtest(n, n).pvalue
    assert found.p == pytest.approx(exact)
    assert (found.better, found.worse) == (enough, False)
    assert paired_test(np.mean, np.zeros(n), np.ones(n)).worse == enough


def test_finds_none_between_a_system_and_itself() -> None:
    gold, scores = systems(100, 1.0)
    found = paired_test(spearman, scores, 2 * scores, gold)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_pairing_sees_what_two_intervals_do_not() -> None:
    random = np.random.default_rng(0)
    before = random.normal(size=300)
    after = before + 0.02 + random.normal(scale=0.05, size=300)
    assert interval(np.mean, after).low < interval(np.mean, before).high
    assert paired_test(np.mean, after, before).p < 0.01


@pytest.mark.slow
def test_equal_systems_seldom_seem_different() -> None:
    random = np.random.default_rng(0)
    p = [
        paired_test(np.mean, *random.exponential(size=(2, 60)), resamples=199, seed=seed).p
        for seed in range(400)
    ]
    assert 0.01 < np.mean(np.array(p) <= 0.05) < 0.09
    assert 0.4 < np.mean(p) < 0.6


@pytest.mark.slow
@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), shift=st.floats(0, 0.5), resamples=st.integers(50, 300))
def test_p_and_interval_agree(seed: int, shift: float, resamples: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 40))
    found = paired_test(np.mean, a + shift, b, resamples=resamples, seed=seed)
    assert 2.0**-39 <= found.p <= 1
    if found.p < 0.05:
        assert found.low > 0 or found.high < 0


def test_any_statistic_of_rows() -> None:
    gold = np.array([1, 0, 1, 1, 0, 0, 1, 0] * 5)
    found = interval(macro_f1, np.append(1, gold[:-1]), gold, resamples=50)
    assert found.low < found.value < found.high
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    assert interval(lambda rows: np.linalg.norm(rows.mean(axis=0)), vectors, resamples=50).high > 0


def test_draws_without_a_value_are_left_out() -> None:
    scores, relevant = np.array([0.9, 0.8, 0.3, 0.2, 0.1, 0.05]), np.array([0, 1, 0, 0, 0, 0])
    found = interval(average_precision, scores, relevant)  # half of the draws have none relevant
    assert found.value == 0.5
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([1, 2, 3], [1, 2]), "numbers of rows differ .*array 2 has"),
        (([], []), "no rows"),
        (([1], [2]), "1 rows.*give at least 2 rows"),
        (([1, 2, float("nan")], [1, 2, 3]), "row 2 of array 1 is not a finite number"),
        (([1, 2, 3], [1, 1, 1]), "the statistic is nan for all 3 rows"),
    ],
)
def test_says_what_is_wrong(arrays: tuple[list[float], list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        interval(spearman, *arrays)
    with pytest.raises(InputError, match=message):
        paired_test(spearman, arrays[0], arrays[0], arrays[1])


def stats_spearman(x: Any, y: Any) -> float:
    """NaN where either side has one value only."""
    return float("nan") if 0 in (np.ptp(x), np.ptp(y)) else spearman(x, y)


def test_too_few_draws_with_a_value() -> None:
    with pytest.raises(
        InputError, match=r"for all 100 rows, and defined for [45]\d\d of 2000 draws"
    ):
        interval(stats_spearman, [0] * 99 + [1], [1] + [0] * 99, resamples=2000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"confidence": 95}, "give one between 0 and 1"),
        ({"confidence": 1.0}, "give one between 0 and 1"),
        ({"resamples": 0}, "1 resample"),
    ],
)
def test_options_out_of_range(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        interval(np.mean, [1, 2, 3], **wrong)


@pytest.mark.parametrize("right", [0, 1, 10, 19, 20])
def test_a_share_and_its_interval_lie_between_0_and_1(right: int) -> None:
    found = draw(np.mean, np.arange(20) < right).bounded(0.5 / 20)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.04


@pytest.mark.slow
def test_intervals_of_correlations_hold_the_truth_as_often_as_they_say() -> None:
    covariance = [[1, 0.8], [0.8, 1]]
    truth = 6 / np.pi * np.arcsin(0.8 / 2)  # Spearman's, of a normal distribution
    samples = np.random.default_rng(0).multivariate_normal([0, 0], covariance, (200, 50))
    held = []
    for sample in samples:
        found = draw(spearman, *sample.T, resamples=200).bounded(0.5 / 50)
        held.append(found.low <= truth <= found.high)
    assert 0.92 <= np.mean(held) <= 0.985
