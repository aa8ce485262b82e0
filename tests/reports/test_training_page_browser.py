"""The page of a training run as its reader meets it, in headless Chromium, offline and watched."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pages import Shown, chromium
from playwright.sync_api import Browser, expect

from sememe.reports.training import Example, Run, Verdict, write_training

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`\\ &amp;"
STEPS = np.arange(1, 101)
LOSSES = np.where(np.isin(STEPS, range(40, 45)), np.nan, 2 - STEPS / 100)

# The contrast of each text with what lies under it, and of each line and dot with its card.
CONTRASTS = """() => {
  const read = (color) => { const [r, g, b, a = 1] = color.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, below) => top.slice(0, 3).map((part, i) => part * top[3] + below[i] * (1 - top[3]));
  const paper = (element) => element
    ? over(read(getComputedStyle(element).backgroundColor), paper(element.parentElement)) : [255, 255, 255];
  const light = (color) => color.slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (element, ink) => {
    const [a, b] = [over(read(ink), paper(element)), paper(element)].map(light);
    return [element.className.baseVal ?? element.tagName, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  };
  const style = getComputedStyle;
  const texts = [...document.querySelectorAll("h1, h2, p, th, td, .reading")].filter((one) => one.textContent);
  return {
    texts: [...texts.map((one) => contrast(one, style(one).color)),
      ...[...document.querySelectorAll("svg text")].map((one) => contrast(one, style(one).fill))],
    shapes: [...[...document.querySelectorAll(".line, .ring")].map((one) => contrast(one, style(one).stroke)),
      ...[...document.querySelectorAll(".dot, .value")].map((one) => contrast(one, style(one).fill))],
  };
}"""  # noqa: E501


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("training") / "training.html"
    run = Run(
        title=f"mine {EVIL}",
        facts=[("loss", "CoSENT", "pairs with a score"), ("seed", EVIL, EVIL)],
        losses=LOSSES,
        learning_rates=2e-5 * (1 - STEPS / 100),
        metric="Spearman",
        evaluations=[(0, 70), (25, 80), (50, 85), (75, 84), (100, 83)],
        best=2,
        verdict=Verdict(
            headline="Better by 15.0 points",
            sentence="Better, and not by chance.",
            before=(70, 65, 75),
            after=(85, 81, 88),
            words=("by few-shot", "by the probe"),
        ),
        examples=[
            Example((EVIL, "القطار متأخر"), "1", "12", EVIL, True),
            Example(("a bus",), "2", "3", "4", False),
        ],
        changes="2 of 9 changed.",
    )
    write_training(path, run)
    return path


@pytest.fixture
def shown(browser: Browser, written: Path) -> Iterator[Shown]:
    with Shown.watched(browser, written) as shown:
        yield shown


def reading(shown: Shown, chart: str) -> str:
    return shown.page.locator(f"#{chart} .reading").inner_text()


def test_the_verdict_stands_on_top_with_its_intervals(shown: Shown) -> None:
    assert shown.page.locator(".sentence").inner_text() == "Better, and not by chance."
    assert shown.page.locator("h1").inner_text() == "Better by 15.0 points"
    said = "Spearman, before: 70.0 (65.0 to 75.0), after: 85.0 (81.0 to 88.0)"
    assert shown.page.locator("#verdict .plot").get_attribute("aria-label") == said
    widths = [
        shown.page.locator(f"#verdict .{row} .range").evaluate("line => line.getBBox().width")
        for row in ("before", "after")
    ]
    assert widths[0] / widths[1] == pytest.approx(10 / 7, rel=1e-3)
    names = shown.page.locator("#verdict text.strong[x='0']").all_text_contents()
    assert names == ["By the probe", "By few-shot"]
    main = "main => [...main.children].map(card => card.id)"
    cards = ["verdict", "loss", "metric", "rate", "examples", "facts"]
    assert shown.page.locator("main").evaluate(main) == cards


def test_curves_pass_through_their_values_and_break_where_there_are_none(shown: Shown) -> None:
    for kind in ("thin", "line"):
        path = shown.page.locator(f"#loss .{kind}").get_attribute("d") or ""
        assert (path.count("M"), path.count("L")) == (2, 93)
    assert "Not finite, and left out: 5." in shown.page.locator("#loss .note").inner_text()
    heights = shown.page.locator("#metric .dot").evaluate_all(
        "dots => dots.map(dot => +dot.cy.baseVal.value)"
    )
    span = heights[0] - heights[2]
    assert [(heights[0] - height) / span for height in heights] == pytest.approx(
        [0, 2 / 3, 1, 14 / 15, 13 / 15], abs=1e-3
    )
    ring = shown.page.locator("#metric .ring").bounding_box()
    best = shown.page.locator("#metric .dot").nth(2).bounding_box()
    assert ring is not None
    assert best is not None
    assert ring["x"] + ring["width"] / 2 == pytest.approx(best["x"] + best["width"] / 2, abs=0.1)


def test_hovering_reads_every_curve_at_that_step(shown: Shown) -> None:
    assert reading(shown, "metric") == "Step 50: 85, kept"
    assert reading(shown, "loss") == "Step 100: 1"
    cursor = shown.page.locator("#loss .cursor")
    assert cursor.is_hidden()
    shown.page.locator("#metric .dot").nth(1).hover(force=True)
    assert reading(shown, "metric") == "Step 25: 80"
    assert reading(shown, "loss") == "Step 25: 1.75"
    assert reading(shown, "rate") == "Step 25: 1.5e−5"
    assert cursor.is_visible()
    shown.page.mouse.move(2, 2)
    assert reading(shown, "metric") == "Step 50: 85, kept"
    assert cursor.is_hidden()


def test_keys_read_the_curves_and_say_so(shown: Shown) -> None:
    plot = shown.page.get_by_role("slider", name="Training loss by step")
    plot.focus()
    for key, text in [
        ("Home", "Step 1: 1.99"),
        ("ArrowLeft", "Step 1: 1.99"),
        ("ArrowRight", "Step 2: 1.98"),
        ("PageUp", "Step 12: 1.88"),
        ("End", "Step 100: 1"),
    ]:
        shown.page.keyboard.press(key)
        assert plot.get_attribute("aria-valuetext") == reading(shown, "loss") == text
    for _ in range(57):
        shown.page.keyboard.press("ArrowLeft")
    assert plot.get_attribute("aria-valuetext") == "Step 43: not finite"
    shown.page.keyboard.press("Tab")
    expect(shown.page.get_by_role("slider", name="Spearman by step")).to_be_focused()
    assert reading(shown, "loss") == "Step 100: 1"


def test_axes_do_not_make_a_curve_of_noise(browser: Browser, tmp_path: Path) -> None:
    losses = 5 + 0.1 * np.random.default_rng(0).normal(size=50)
    figures = [80, 80.4, 79.9, 80.2]
    run = Run(
        "noise",
        [],
        losses,
        np.ones(50),
        "Spearman",
        [*zip([0, 10, 25, 50], figures, strict=True)],
        1,
        Verdict("No measurable gain", "Chance.", (81, 77, 85), (81.1, 77, 85)),
    )
    write_training(tmp_path / "training.html", run)
    shown = Shown.opened(browser, tmp_path / "training.html")
    box = "element => { const { y, height } = element.getBBox(); return [y, height]; }"
    for chart, height in (("loss", 300), ("metric", 220)):
        line = shown.page.locator(f"#{chart} .line").evaluate(box)
        assert line[1] < height / 8, chart
    chance = shown.page.locator("#metric .chance").evaluate(box)
    dots = shown.page.locator("#metric .dot").evaluate_all(
        "dots => dots.map(dot => +dot.cy.baseVal.value)"
    )
    points = chance[1] / 8  # from 4 below the start to 4 above it
    assert chance[0] + 4 * points == pytest.approx(dots[0], abs=0.1)
    assert dots[0] - dots[1] == pytest.approx(0.4 * points, abs=0.1)
    assert "the 95 % interval of the start" in shown.page.locator("#metric .note").inner_text()
    assert shown.complaints == []
    shown.page.close()


def test_what_was_solved_without_steps_has_a_verdict_and_no_curves(
    browser: Browser, tmp_path: Path
) -> None:
    verdict = Verdict("Better by 9.0 points", "So it is.", (80, 77, 83), (89, 87, 91))
    write_training(tmp_path / "page.html", Run("solved", [], [], [], "Spearman", verdict=verdict))
    shown = Shown.opened(browser, tmp_path / "page.html")
    assert shown.page.locator("#verdict .sentence").inner_text() == "So it is."
    assert shown.page.locator("#verdict .value").count() == 2
    assert shown.page.locator("#loss, #metric, #rate").count() == 0
    assert shown.complaints == []
    shown.page.close()


def test_what_changed_is_marked_as_better_or_worse(shown: Shown) -> None:
    rows = shown.page.locator("#examples tbody tr")
    assert [rows.nth(i).get_attribute("title") for i in (0, 1)] == ["Better", "Worse"]
    mark = "cell => getComputedStyle(cell, '::before').content"
    marks = [rows.nth(i).locator("td:last-child p").evaluate(mark) for i in (0, 1)]
    assert marks == ['"▲ "', '"▼ "']
    assert shown.page.locator("#examples .note").inner_text() == "2 of 9 changed."


def test_hostile_texts_are_shown_and_never_run(shown: Shown) -> None:
    assert shown.page.title() == shown.page.locator("#title").inner_text() == f"mine {EVIL}"
    cells = shown.page.locator("#facts tbody tr").nth(1).locator("td")
    expect(cells).to_have_text(["seed", EVIL, EVIL], use_inner_text=True)
    pair = shown.page.locator("#examples tbody tr").nth(0).locator("p")
    expect(pair).to_have_text([EVIL, "القطار متأخر", "1", "12", EVIL], use_inner_text=True)
    assert shown.page.locator("script").count() == 2
    assert shown.page.locator("img").count() == 0


def test_the_policy_lets_no_other_script_style_or_address_in(
    browser: Browser, written: Path
) -> None:
    shown = Shown.opened(browser, written)
    added = """async () => {
      const add = (tag, textContent) => document.head.append(Object.assign(document.createElement(tag), { textContent }));
      add("script", "window.ran = true");
      add("style", "h1 { color: rgb(1, 2, 3) !important }");
      const asked = await fetch("data:,x").then(() => true, () => false);
      return [window.ran === true, getComputedStyle(document.querySelector("h1")).color === "rgb(1, 2, 3)", asked];
    }"""  # noqa: E501
    assert shown.page.evaluate(added) == [False, False, False]
    assert len([said for said in shown.complaints if "Content Security Policy" in said]) >= 3
    shown.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_have_enough_contrast(browser: Browser, written: Path, scheme: str) -> None:
    shown = Shown.opened(browser, written, color_scheme=scheme)
    for _ in range(2):  # as the system has it, and switched
        found = shown.page.evaluate(CONTRASTS)
        assert len(found["texts"]) > 50
        assert len(found["shapes"]) >= 10
        assert [one for one in found["texts"] if one[1] < 4.5] == []
        assert [one for one in found["shapes"] if one[1] < 3] == []
        shown.page.locator("#theme").click()
    shown.page.close()


def test_the_theme_follows_the_system_until_it_is_switched(browser: Browser, written: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = (
        Shown.opened(browser, written, color_scheme=one).page for one in ("light", "dark")
    )
    night = dark.evaluate(paper)
    assert light.evaluate(paper) != night
    light.locator("#theme").click()
    assert light.evaluate(paper) == night
    light.emulate_media(media="print")
    assert light.evaluate(paper) == "rgb(255, 255, 255)"
    assert light.locator("#theme").is_hidden()
    for page in (light, dark):
        page.close()


def test_on_a_phone_nothing_overflows_and_a_tap_reads(browser: Browser, written: Path) -> None:
    shown = Shown.opened(browser, written, viewport=(360, 740), phone=True)
    assert shown.page.evaluate("document.documentElement.scrollWidth") == 360
    shown.page.locator("#metric .plot").tap()
    assert reading(shown, "metric") == "Step 50: 85, kept"
    assert reading(shown, "loss") == "Step 50: 1.5"
    shown.page.set_viewport_size({"width": 740, "height": 360})
    shown.drawn()
    width = shown.page.locator("#loss .plot").evaluate("plot => plot.clientWidth")
    assert shown.page.locator("#loss svg").get_attribute("viewBox") == f"0 0 {width} 300"
    assert shown.complaints == []
    shown.page.close()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_run_of_next_to_nothing_opens(browser: Browser, tmp_path: Path, n: int) -> None:
    path = tmp_path / "training.html"
    write_training(path, Run("short", [], [np.nan, 1][:n], [1e-3] * n))
    shown = Shown.opened(browser, path)
    assert shown.page.locator("#loss").count() == min(n, 1)
    assert shown.page.locator("#metric").count() == 0
    assert shown.page.locator("#verdict").is_hidden()
    assert shown.complaints == []
    shown.page.close()


def test_a_long_run_reads_buckets_and_cuts_off_a_spike(browser: Browser, tmp_path: Path) -> None:
    steps = np.arange(1, 80_001)
    losses = 1 + 0.1 * np.sin(steps)
    losses[40_000] = 1e6
    write_training(tmp_path / "training.html", Run("long", [], losses, steps / 1e9))
    shown = Shown.opened(browser, tmp_path / "training.html")
    assert reading(shown, "rate") == "Step 79,901 to 80,000: 7.995e−5"
    assert reading(shown, "loss").startswith("Step 79,901 to 80,000: ")
    assert reading(shown, "loss").endswith(" (0.9 to 1.1)")
    heights = shown.page.locator("#loss text[text-anchor=end]").all_text_contents()
    assert len(heights) >= 3
    assert max(map(float, heights)) < 2
    peak = "path => path.getBBox().y"
    assert shown.page.locator("#loss .band").evaluate(peak) == pytest.approx(8)  # the upper edge
    assert shown.complaints == []
    shown.page.close()
