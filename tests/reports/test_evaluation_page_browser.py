"""The page of an evaluation as its reader meets it, in headless Chromium, offline and watched."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pages import Shown, chromium
from playwright.sync_api import Browser, expect

from sememe.evaluation.intervals import Interval
from sememe.evaluation.result import Difference, Evaluation, Row

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`\\ &amp;"
NONE = float("nan")
DONE = Evaluation(
    "retrieval",
    f"my data {EVIL}",
    300,
    [
        Row("good", {"nDCG@10": Interval(0.7, 0.65, 0.75), "MAP": Interval(0.6, 0.5, 0.7)}, 1.5),
        Row(EVIL, {"nDCG@10": Interval(0.5, 0.45, 0.55), "MAP": Interval(0.4, NONE, NONE)}, 0.5),
    ],
    [Difference("good", EVIL, 0.2, 0.15, 0.25, 0.001)],
    {"absent": f"nowhere {EVIL}"},
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_is_shown_as_text_and_nothing_is_asked_for(
    browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    DONE.save(tmp_path)
    path = tmp_path / "evaluation.html"
    shown = Shown.opened(browser, path, viewport=(width, 800), color_scheme=scheme)
    page = shown.page
    expect(page.locator("#headline")).to_have_text("good is best")
    expect(page.locator("#verdict")).to_have_text(DONE.verdict)
    rows = page.locator("#models tbody tr")
    expect(rows.nth(0).locator("td").nth(1)).to_have_text("70.0 (65.0 to 75.0)")
    expect(rows.nth(1).locator("td").nth(0)).to_have_text(EVIL)
    expect(rows.nth(1).locator("td").nth(3)).to_have_text("40.0")
    expect(page.locator("#tests tbody td").nth(2)).to_have_text("+20.0 (+15.0 to +25.0)")
    expect(page.locator("#failures tbody td").nth(1)).to_have_text(f"nowhere {EVIL}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert shown.complaints == []
    assert shown.requests == [path.as_uri()]


@pytest.mark.slow
def test_what_no_test_tells_apart_is_not_called_best(browser: Browser, tmp_path: Path) -> None:
    unclear = replace(DONE, differences=[replace(DONE.differences[0], p=0.2)], failures={})
    unclear.save(tmp_path)
    page = Shown.opened(browser, tmp_path / "evaluation.html").page
    expect(page.locator("#headline")).to_have_text("No model is clearly best")
    expect(page.locator("#failures")).to_be_hidden()
