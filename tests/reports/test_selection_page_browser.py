"""The page of a selection in a real browser: what it says, draws and forbids, in both themes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import Shown, chromium
from playwright.sync_api import Browser

from sememe.costs import Speed
from sememe.evaluation.kinds import PairTask
from sememe.evaluation.measures import Measurement
from sememe.evaluation.metrics import spearman
from sememe.selection.candidates import Candidate
from sememe.selection.measuring import Round
from sememe.selection.result import Scale, Selection
from sememe.selection.sample import Sample

EVIL = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def selection() -> Selection:
    """Three candidates on a hundred pairs: dear and right, cheap and nearly so, cheap and wrong."""
    random = np.random.default_rng(0)
    gold = random.random(100)
    pairs = [(f"{EVIL} {i}", f"a text {i}") for i in range(100)]
    task = PairTask("similarity", "pairs.csv", pairs, gold)
    noise = {"dear": 0.05, "cheap": 0.15, EVIL: 3.0}
    candidates = [
        Candidate(name, "bi-encoder", name, lambda: None, model=name)  # type: ignore[arg-type,return-value]
        for name in noise
    ]
    answers: dict[str, Any] = {
        n: gold + size * random.normal(size=100) for n, size in noise.items()
    }
    state = Round({n: Measurement("Spearman", spearman, a, (gold,)) for n, a in answers.items()})
    speeds = {"dear": Speed(1.0, dim=8), "cheap": Speed(0.001, dim=8), EVIL: Speed(0.01, dim=8)}
    sample = Sample("pairs", "pairs.csv", task, task.texts(), [])
    failures = {"gone": "there is no such model"}
    return Selection(sample, Scale(1_000_000), candidates, state, None, speeds, failures)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("selection") / "report.html"
    selection().save(path)
    return path


@pytest.fixture
def shown(browser: Browser, written: Path) -> Iterator[Shown]:
    with Shown.watched(browser, written) as shown:
        yield shown


def test_the_choice_its_reasons_and_its_code_come_first(shown: Shown) -> None:
    made = selection()
    assert shown.page.locator("h1").inner_text() == made.choice
    assert shown.page.locator(".sentence").inner_text() == made.verdict
    assert "sememe.BiEncoder" in shown.page.locator("#code").inner_text()


def test_every_candidate_is_a_point_with_its_interval_and_a_row(shown: Shown) -> None:
    assert shown.page.locator(".plot .dot").count() == 3
    assert shown.page.locator(".plot .interval").count() == 3
    assert shown.page.locator("#candidates tbody tr").count() == 3
    places = shown.page.locator(".plot .dot").evaluate_all(
        "dots => Object.fromEntries(dots.map(dot => [dot.getAttribute('aria-label').split(':')[0], "
        "[dot.cx.baseVal.value, dot.cy.baseVal.value]]))"
    )
    assert places["dear"][0] > places["cheap"][0], "what costs more is to the right"
    assert places["dear"][1] < places["cheap"][1], "what is better is above"


def test_a_point_says_what_it_is_to_the_pointer_and_to_the_keyboard(shown: Shown) -> None:
    shown.page.locator(".plot .dot").nth(1).focus()
    assert shown.page.locator(".reading").inner_text().startswith("cheap: ")


def test_names_in_the_plot_cover_neither_each_other_nor_a_point(shown: Shown) -> None:
    boxes = shown.page.locator(".plot text.name, .plot .dot").evaluate_all(
        "all => all.map(each => each.getBBox()).map(b => [b.x, b.y, b.x + b.width, b.y + b.height])"
    )
    names = shown.page.locator(".plot text.name").all_text_contents()
    assert {"dear", "cheap"} == {*names}
    for i, (left, top, right, bottom) in enumerate(boxes):
        for x, y, end, low in boxes[:i]:
            assert end <= left or right <= x or low <= top or bottom <= y


def test_a_dozen_disagreements_are_shown_as_text(shown: Shown) -> None:
    rows = shown.page.locator("#examples tbody tr")
    assert rows.count() == 12
    assert EVIL in rows.first.inner_text()
    assert "place of each pair" in shown.page.locator("#examples .note").inner_text()
    assert shown.page.locator("img").count() == 0
    assert shown.page.locator("#examples td.best").count() >= 12


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_both_themes(browser: Browser, written: Path, scheme: Any) -> None:
    shown = Shown.opened(browser, written, color_scheme=scheme)
    colors = shown.page.evaluate(
        "['.sentence', 'th', '.note'].map(s => getComputedStyle(document.querySelector(s)).color)"
    )
    paper = shown.page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
    lights = [np.mean([float(v) for v in c[4:-1].split(",")[:3]]) for c in (*colors, paper)]
    assert all(abs(light - lights[-1]) > 80 for light in lights[:-1])
    shown.page.close()


def test_on_a_phone_nothing_overflows(browser: Browser, written: Path) -> None:
    shown = Shown.opened(browser, written, viewport=(360, 740), phone=True)
    assert shown.page.evaluate("document.documentElement.scrollWidth") == 360
    shown.page.close()
