"""What the page of a training run holds; a browser opens it in test_training_page_browser."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from page_data import data_of
from sememe.errors import TableError
from sememe.reports.training import Example, Run, Verdict, write_training

EVIL = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>{{script}}\u2028"
NOTHING = Run("nothing", [], [], [])
SHORT = Run("short", [("loss", "cosent", "scores")], [3, 2, 1], [2e-5, 1e-5, 0])

values = st.floats(width=32) | st.sampled_from([np.nan, np.inf, -np.inf])
losses = st.lists(values, max_size=60) | st.builds(
    lambda some, times: some * times, st.lists(values, min_size=1, max_size=30), st.integers(1, 99)
)


def written(folder: Path, run: Run) -> dict[str, Any]:
    write_training(folder / "training.html", run)
    return data_of(folder / "training.html")


def run_of(losses: list[float]) -> Run:
    return replace(NOTHING, losses=losses, learning_rates=np.ones(len(losses)))


def test_holds_the_verdict_the_choices_the_evaluations_and_the_examples(tmp_path: Path) -> None:
    verdict = Verdict("Better", "Better: yes.", (0.7, 0.6, 0.8), (0.9, 0.8, 1.0))
    examples = [Example(("a", "b"), "1", "7", "2", True)]
    evaluations = [(0, 0.7), (2, 0.9), (3, 0.8)]
    held = written(
        tmp_path,
        replace(
            SHORT, metric="AP", evaluations=evaluations, best=1, verdict=verdict, examples=examples
        ),
    )
    assert held["verdict"] == {
        "headline": "Better",
        "sentence": "Better: yes.",
        "before": [0.7, 0.6, 0.8],
        "after": [0.9, 0.8, 1],
        "words": ["after", "before"],
    }
    assert held["facts"] == [["loss", "cosent", "scores"]]
    assert (held["metric"]["first"], held["metric"]["mean"]) == ([0, 2, 3], [0.7, 0.9, 0.8])
    assert (held["name"], held["evaluations"], held["best"]) == ("AP", 3, [2, 0.9])
    (example,) = held["examples"]
    assert [*example.values()] == [["a", "b"], "1", "7", "2", True]
    assert held["rate"]["mean"] == [2e-5, 1e-5, 0]


def test_a_run_without_evaluations_or_without_steps_has_a_page(tmp_path: Path) -> None:
    for run in (SHORT, NOTHING):
        held = written(tmp_path, run)
        assert held["metric"]["mean"] == held["examples"] == []
        assert held["verdict"] is held["best"] is None
    assert held["loss"]["smooth"] == []


@pytest.mark.slow
@given(losses)
def test_the_points_of_a_curve_stand_for_all_of_its_steps(
    tmp_path_factory: pytest.TempPathFactory, losses: list[float]
) -> None:
    loss = written(tmp_path_factory.mktemp("run"), run_of(losses))["loss"]
    assert len(loss["mean"]) == min(len(losses), 800)
    assert loss["first"] == [1, *(last + 1 for last in loss["last"])][: len(loss["first"])]
    assert loss["last"][-1:] == ([len(losses)] if losses else [])
    for place, (first, last) in enumerate(zip(loss["first"], loss["last"], strict=True)):
        finite = [loss for loss in losses[int(first) - 1 : int(last)] if np.isfinite(loss)]
        low, mean, high = (loss[name][place] for name in ("low", "mean", "high"))
        assert (low, high) == ((min(finite), max(finite)) if finite else (None, None))
        if finite:
            room = 1e-9 * max(map(abs, finite))
            assert mean == pytest.approx(sum(finite) / len(finite), abs=room)
        else:
            assert mean is None


@pytest.mark.slow
@given(losses)
def test_the_smoothed_curve_has_the_same_gaps_and_leaves_no_range(
    tmp_path_factory: pytest.TempPathFactory, losses: list[float]
) -> None:
    loss = written(tmp_path_factory.mktemp("run"), run_of(losses))["loss"]
    means = [mean for mean in loss["mean"] if mean is not None]
    smooth = [value for value in loss["smooth"] if value is not None]
    assert [value is None for value in loss["smooth"]] == [mean is None for mean in loss["mean"]]
    if means:
        room = 1e-9 * (1 + max(map(abs, means)))
        assert min(means) - room <= min(smooth) <= max(smooth) <= max(means) + room


def test_smoothing_leaves_a_straight_line_and_stills_noise(tmp_path: Path) -> None:
    line = np.linspace(3, 1, 400)
    noise = np.random.default_rng(0).normal(0, 0.2, 400)
    inside = slice(20, -20)  # near the ends half of the window is missing
    straight = written(tmp_path, run_of(line.tolist()))["loss"]["smooth"]
    assert straight[inside] == pytest.approx(line[inside])
    noisy = np.array(written(tmp_path, run_of((line + noise).tolist()))["loss"]["smooth"])
    assert np.std((noisy - line)[inside]) < 0.08


def test_losses_that_are_not_finite_are_gaps_and_are_counted(tmp_path: Path) -> None:
    held = written(tmp_path, run_of([2, np.nan, 1, np.inf]))
    assert held["loss"]["mean"] == [2, None, 1, None]
    assert held["strange"] == 2


def test_a_million_steps_make_a_small_page(tmp_path: Path) -> None:
    losses = np.random.default_rng(0).normal(1, 0.1, 1_000_000)
    losses[123_456] = 50
    loss = written(tmp_path, Run("long", [], losses, np.ones(len(losses))))["loss"]
    assert max(loss["high"]) == 50
    assert np.mean(loss["mean"]) == pytest.approx(losses.mean())  # buckets of one size
    assert (tmp_path / "training.html").stat().st_size < 250_000


@pytest.mark.parametrize("texts", [EVIL, "half \ud83d", "القطار"])
def test_texts_are_data_and_never_markup(tmp_path: Path, texts: str) -> None:
    tags = []
    for text in ("x", texts):
        interval = (0.5, np.nan, np.nan)
        run = replace(
            SHORT,
            title=text,
            facts=[(text, text, text)],
            metric=text,
            verdict=Verdict(text, text, interval, interval, (text, text)),
            examples=[Example((text, text), text, text, text, False)],
        )
        held = written(tmp_path, run)
        tags.append(
            re.findall(r"<[!/a-z]", (tmp_path / "training.html").read_text(encoding="utf-8"))
        )
    assert tags[0] == tags[1]
    shown = texts.replace("\ud83d", "?")
    assert [held["name"], held["verdict"]["sentence"], *held["facts"][0]] == [shown] * 5
    assert [*held["examples"][0].values()] == [[shown, shown], shown, shown, shown, False]
    assert held["verdict"]["after"] == [0.5, None, None]


def test_long_texts_are_cut_with_an_ellipsis(tmp_path: Path) -> None:
    held = written(tmp_path, replace(SHORT, facts=[("loss", "cosent", "why " * 10**6)]))
    assert len(held["facts"][0][2]) == 500
    assert held["facts"][0][2].endswith("…")


def test_names_no_address_but_its_own_parts(tmp_path: Path) -> None:
    written(tmp_path, SHORT)
    page = (tmp_path / "training.html").read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]+\.|\bsrc=|@import|url\(", page)
    assert "default-src 'none'" in page


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no folder"):
        write_training(tmp_path / "none" / "training.html", SHORT)
    (tmp_path / "training.html").mkdir()
    with pytest.raises(TableError, match="is a folder"):
        write_training(tmp_path / "training.html", SHORT)
    assert len(list(tmp_path.iterdir())) == 1
