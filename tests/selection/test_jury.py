"""The jury: what it agrees with, how labels take over, and that a weak majority changes nothing."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.selection.jury import Prior, combined, judge, standardized


def noisy(truth: Any, noise: float, seed: int) -> Any:
    return truth + noise * np.random.default_rng(seed).normal(size=truth.shape)


TRUTH = np.random.default_rng(0).normal(size=300)
JURY = {
    role: noisy(TRUTH, noise, i)
    for i, (role, noise) in enumerate({"default": 0.3, "static": 1, "words": 2}.items())
}


def test_pairs_are_ordered_by_their_agreement_with_the_jury() -> None:
    evidence = {f"{noise}": noisy(TRUTH, noise, 9) for noise in (0.2, 1, 3)}
    values = judge("pairs", evidence, JURY).values
    assert values["0.2"] > values["1"] > values["3"]


def test_what_the_user_lists_does_not_change_the_jury() -> None:
    weak = np.random.default_rng(5).normal(size=300)
    evidence = {"good": noisy(TRUTH, 0.2, 4)} | {f"weak {i}": noisy(weak, 0.1, i) for i in range(7)}
    together = judge("pairs", evidence, JURY).values
    assert max(together, key=lambda name: together[name]) == "good"
    for name, each in evidence.items():
        assert judge("pairs", {name: each}, JURY).values[name] == together[name]


def test_search_counts_what_the_fused_ranking_has_first() -> None:
    best = np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    worst = np.array([[9, 8, 7, 6], [9, 8, 7, 6]])
    prior = judge("search", {"best": best, "worst": worst}, {"default": best})
    assert prior.values == {"best": 1.0, "worst": 0.0}
    assert not prior.is_order


def test_groups_agree_whatever_their_numbers() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    jury = {"default": labels, "static": labels, "words": labels}
    prior = judge("cluster", {"same": (labels + 1) % 3, "one": np.zeros(6, int)}, jury)
    assert prior.values["same"] == pytest.approx(1)
    assert prior.values["one"] == pytest.approx(0)
    assert prior.is_order


def test_classes_are_judged_by_how_much_of_the_jurys_vectors_they_explain() -> None:
    random = np.random.default_rng(0)
    jury = random.normal(size=(200, 6))
    noise = random.normal(size=(200, 300))
    evidence = {
        "rotated": jury @ random.normal(size=(6, 6)),
        "long": np.hstack([3 * jury, noise]),  # more numbers than texts to learn them from
        "noise": noise,
    }
    values = judge("classify", evidence, {"default": jury}).values
    assert min(values["rotated"], values["long"]) > 0.1
    assert values["noise"] == pytest.approx(0, abs=0.05), "what is learned by heart explains less"


@given(st.integers(0, 400))
def test_labels_take_over_from_the_prior(labels: int) -> None:
    prior = Prior("pairs", {"a": 1.0, "b": 0.0}, ("default", "static", "words"))
    families = {"a": "a", "b": "b"}
    scores = combined({"a": 0.4, "b": 0.5}, prior, labels, families)
    by_labels = standardized({"a": 0.4, "b": 0.5})
    weight = 0.5 * min(1, max(0, (200 - labels) / 150))
    assert scores["a"] - by_labels["a"] == pytest.approx(weight)


def test_a_jury_of_two_has_no_say() -> None:
    prior = Prior("pairs", {"a": 1.0, "b": 0.0}, ("default", "words"))
    families = {"a": "a", "b": "b"}
    assert combined({"a": 0.4, "b": 0.5}, prior, 50, families) == standardized({"a": 0.4, "b": 0.5})


@pytest.mark.slow
@given(st.dictionaries(st.text(min_size=1), st.floats(-1e3, 1e3), min_size=1))
def test_standardized_values_have_no_mean(values: dict[str, float]) -> None:
    assert np.mean(list(standardized(values).values())) == pytest.approx(0, abs=1e-4)


def test_a_family_counts_once() -> None:
    values = {"a f32": 1.0, "a int8": 1.0, "a bf16": 1.0, "b": 0.0}
    families = {"a f32": "a", "a int8": "a", "a bf16": "a", "b": "b"}
    assert standardized(values, families)["a f32"] == pytest.approx(1)


def test_a_wider_gap_was_right_more_often() -> None:
    values = {f"{i}": float(i) for i in range(10)}
    prior = Prior("search", values, ("default", "static", "words"))
    assert prior.share_right("0", "9") > prior.share_right("0", "1") >= 0.5


def test_another_kind_is_neither_helped_nor_hurt_beside_the_jurys_best() -> None:
    prior = Prior("pairs", {"a": 1.0, "b": 0.0}, ("default", "static", "words"))
    families = {name: name for name in ("a", "b", "cross")}
    scores = combined({"a": 0.5, "b": 0.1, "cross": 0.6}, prior, 50, families)
    assert max(scores, key=lambda name: scores[name]) == "cross"
