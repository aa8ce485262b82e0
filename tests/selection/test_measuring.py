"""Rounds of measurements: what is dropped, what is kept on disk, and how sure the figures are."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.errors import InputError
from sememe.evaluation.measures import Measurement
from sememe.selection.measuring import Record, eliminate, rounds, worth

RIGHT = np.random.default_rng(0).random((4, 4000))
SHARES = {"best": 0.80, "as good": 0.797, "worse": 0.74, "hopeless": 0.40}


COSTS = dict.fromkeys(SHARES, 1.0)


def measure(name: str, items: int) -> Measurement:
    row = RIGHT[list(SHARES).index(name), :items]
    return Measurement("accuracy", np.mean, (row < SHARES[name]).astype(float))


@given(st.integers(2, 100_000), st.integers(1, 500))
def test_rounds_double_and_end_with_everything(items: int, first: int) -> None:
    sizes = rounds(items, first)
    assert sizes[-1] == items
    assert sizes == sorted(set(sizes))
    assert all(later <= 2 * earlier for earlier, later in pairwise(sizes[:-1]))


@pytest.mark.slow
def test_the_hopeless_are_dropped_early_and_the_good_are_not() -> None:
    costs = {"best": 2.0, "as good": 1.0, "worse": 1.0, "hopeless": 0.1}
    families = {name: name for name in SHARES}
    state = eliminate(list(SHARES), measure, 4000, costs, families)
    assert "hopeless" in state.dropped
    assert state.measured["hopeless"].items < 4000
    items = state.measured["worse"].items
    gain = 100 * (measure("worse", items).value - measure("as good", items).value)
    assert state.dropped["worse"] == (
        "surely not enough better than as good, which costs no more "
        f"({gain:.1f} points on the same {items:,} items)"
    )
    assert {"best", "as good"} <= set(state.alive)


@pytest.mark.slow
def test_a_cheap_candidate_is_not_dropped_for_a_dear_one() -> None:
    costs = {"best": 2.0, "worse": 1.0}
    state = eliminate(["best", "worse"], measure, 4000, costs, {"best": "a", "worse": "b"})
    assert not state.dropped


@pytest.mark.slow
def test_ten_times_the_cost_must_buy_half_a_point() -> None:
    assert worth(1000.0, 100.0) == pytest.approx(0.005)
    costs = {"best": 1e9, "as good": 1.0}
    families = {name: name for name in costs}
    state = eliminate([*costs], measure, 4000, costs, families, may_stop=False)
    assert state.dropped.keys() == {"best"}
    assert "surely not enough better than as good, which costs less" in state.dropped["best"]


@pytest.mark.slow
def test_of_precisions_the_cheapest_goes_on() -> None:
    costs = {"f32": 2.0, "as good": 1.0, "best": 1.0}
    families = {"f32": "one", "as good": "one", "best": "another"}

    def alike(name: str, items: int) -> Measurement:
        return measure("as good" if name == "f32" else name, items)

    state = eliminate([*costs], alike, 4000, costs, families)
    assert state.dropped["f32"] == (
        "no better than as good, which costs less (+0.0 points on the same 64 items)"
    )
    assert state.measured["f32"].items == 64
    assert "as good" in state.alive


def test_what_keeps_the_limits_is_dropped_for_nothing_else() -> None:
    families = {name: name for name in SHARES}
    names = ["best", "worse"]
    assert "worse" in eliminate(names, measure, 4000, COSTS, families).dropped
    state = eliminate(names, measure, 4000, COSTS, families, within={"worse"})
    assert "worse" in state.alive


def test_what_learns_from_the_items_is_measured_on_all_of_them_alone() -> None:
    sizes: list[int] = []

    def counting(name: str, items: int) -> Measurement:
        if name == "best":
            sizes.append(items)
        return measure(name, items)

    families = {name: name for name in SHARES}
    state = eliminate([*SHARES], counting, 500, COSTS, families, late={"best"})
    assert sizes == [500]
    assert state.measured["as good"].items == 500


def test_one_family_is_decided_after_the_first_round() -> None:
    families = dict.fromkeys(SHARES, "one")
    state = eliminate(["best", "as good"], measure, 4000, COSTS, families)
    assert {each.items for each in state.measured.values()} == {64}


def test_a_candidate_that_fails_is_reported_and_the_others_go_on() -> None:
    def failing(name: str, items: int) -> Measurement:
        if name == "worse":
            raise OSError("the disk of the weights is gone\nand more")
        return measure(name, items)

    state = eliminate(["best", "worse"], failing, 100, COSTS, {"best": "a", "worse": "b"})
    assert state.failures == {"worse": "the disk of the weights is gone"}
    assert state.alive == ["best"]
    with pytest.raises(InputError, match=r"no candidate could be measured .*worse: the disk"):
        eliminate(["worse"], failing, 100, COSTS, {"worse": "b"})


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = []
    for seed in range(300):
        right = np.random.default_rng(seed).random(60) < 0.7
        interval = Measurement("accuracy", np.mean, right.astype(float)).interval()
        held.append(interval.low <= 0.7 <= interval.high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_weights_make_up_for_how_items_were_chosen() -> None:
    random = np.random.default_rng(0)
    easy = random.random(5000) < 0.5
    right = np.where(easy, 0.9, 0.3)
    chances = np.where(easy, 1.0, 4.0)
    rows = random.choice(5000, 400, p=chances / chances.sum())
    weighted = Measurement("accuracy", np.mean, right[rows], weights=1 / chances[rows])
    assert abs(weighted.interval().value - right.mean()) < 0.05
    assert weighted.value < right.mean() - 0.1


def test_all_candidates_are_drawn_alike() -> None:
    values = np.random.default_rng(0).random(50)
    draws = [Measurement("a", np.mean, each).drawn.draws for each in (values, values + 1)]
    np.testing.assert_allclose(draws[1] - draws[0], 1)


def test_the_record_outlives_its_process_and_knows_what_it_is_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path))
    Record().put({"values": [0.5, 1.0]}, "model", "data", "pairs")
    assert Record().get("model", "data", "pairs") == {"values": [0.5, 1.0]}
    assert Record().get("model", "other data", "pairs") is None


def test_without_a_place_to_keep_them_measurements_are_made_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SEMEME_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="Measurements are not kept"):
        record = Record()
    record.put({"values": []}, "a")
    assert record.get("a") is None
