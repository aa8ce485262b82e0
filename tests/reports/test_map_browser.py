"""The map as its reader meets it, in headless Chromium, offline and with every request watched."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from groups import Group
from pages import Shown, chromium
from playwright.sync_api import Browser, expect

from sememe.reports.cluster_map import write_map

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`\\ &amp;"
ARABIC = "القطار متأخر كل صباح"
EMOJI = "Love my e-bike 🚲👩🏽‍🚀"


class ShownMap(Shown):
    """An open map: what it shows, and where."""

    def visible(self) -> int:
        return int(self.page.evaluate("sememe.visible()"))

    def view(self) -> dict[str, float]:
        found: dict[str, float] = self.page.evaluate("sememe.view()")
        return found

    def screen(self, point: int) -> tuple[float, float]:
        x, y = self.page.evaluate(f"sememe.screen({point})")
        return x, y

    def colored(self) -> int:
        """How many pixels of the map have a colour, grey not counted."""
        self.drawn()
        return int(
            self.page.evaluate("""() => {
              const { width, height } = document.getElementById("map");
              const context = document.getElementById("map").getContext("2d");
              const { data } = context.getImageData(0, 0, width, height);
              let found = 0;
              for (let at = 0; at < data.length; at += 4) {
                const color = data.subarray(at, at + 3);
                if (Math.max(...color) - Math.min(...color) > 60) found++;
              }
              return found;
            }""")
        )

    def hover(self, point: int) -> str:
        self.page.mouse.move(*self.screen(point))
        return self.page.locator("#tip .text").inner_text()

    def shows(self, rows: list[str]) -> None:
        """Assert that the list shows these rows, once it is laid out."""
        found = self.page.locator("#list .name, #list .text")
        expect(found).to_have_text(rows, use_inner_text=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.html"
    points: list[list[float]] = [
        [-1, 0],
        [-0.8, 0.2],
        [-0.8, -0.2],
        [0.8, 0.2],
        [0.8, -0.2],
        [1, 0],
        [0, 0.6],
    ]
    texts = ["Trains are late", "The rail strike", ARABIC, "Café crème", EVIL, EMOJI, "word " * 400]
    groups = [
        Group(0, 3, ["trains", "rail"], ["Trains are late"]),
        Group(1, 3, [EVIL, "café"], [EVIL]),
    ]
    write_map(path, points, [0, 0, 0, 1, 1, 1, -1], texts, groups, title=f"Seven {EVIL}")
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.html"
    random = np.random.default_rng(0)
    labels = random.integers(-1, 30, size=10_000)
    points = random.normal(size=(31, 2))[labels] + 0.1 * random.normal(size=(10_000, 2))
    groups = [Group(i, int((labels == i).sum()), [f"topic {i}"], []) for i in range(30)]
    write_map(path, points, labels, [f"text {i}" for i in range(10_000)], groups)
    return path


opened = ShownMap.opened


@pytest.fixture
def map_(browser: Browser, small: Path) -> Iterator[ShownMap]:
    shown = opened(browser, small)
    yield shown
    assert shown.requests == [small.as_uri()], "the file asks for itself and nothing else"
    assert shown.complaints == []
    shown.page.context.close()


def test_shows_every_text_and_the_clusters(map_: ShownMap) -> None:
    assert map_.page.evaluate("sememe.points") == 7
    assert map_.visible() == 7
    assert map_.page.locator("#summary").inner_text() == "7 texts, 2 clusters, 1 outlier"
    map_.shows(["trains, rail", f"{EVIL[:59]}…, café", "Outliers"])


def test_hovering_shows_the_text_and_its_cluster(map_: ShownMap) -> None:
    assert map_.hover(1) == "The rail strike"
    assert map_.page.locator("#tip .of").inner_text() == "trains, rail"
    assert map_.hover(2) == ARABIC
    assert map_.hover(5) == EMOJI
    map_.page.mouse.move(*np.add(map_.screen(6), 60))
    assert map_.page.locator("#tip").is_hidden()


def test_a_click_keeps_the_text_until_the_next(map_: ShownMap) -> None:
    map_.page.mouse.click(*map_.screen(0))
    map_.page.mouse.move(*np.add(map_.screen(6), 60))
    assert map_.page.locator("#tip .text").inner_text() == "Trains are late"
    map_.page.mouse.click(*np.add(map_.screen(6), 60))
    assert map_.page.locator("#tip").is_hidden()


def test_hostile_texts_are_shown_and_never_run(map_: ShownMap) -> None:
    assert map_.page.locator("h1").inner_text() == f"Seven {EVIL}"
    assert map_.page.title() == f"Seven {EVIL}"
    assert map_.hover(4) == EVIL
    map_.page.locator(".more").nth(1).click()
    expect(map_.page.locator("q")).to_have_text(EVIL, use_inner_text=True)
    map_.page.fill("#query", "<script>")
    map_.shows([EVIL])
    assert map_.page.locator("script").count() == 2
    assert map_.page.locator("img").count() == 0


def test_search_finds_all_words_in_any_order_case_or_accent(map_: ShownMap) -> None:
    map_.page.fill("#query", "STRIKE rail")
    assert map_.visible() == 1
    map_.shows(["The rail strike"])
    expect(map_.page.locator("mark")).to_have_text("rail", use_inner_text=True)
    map_.page.fill("#query", "creme cafe")
    map_.shows(["Café crème"])
    map_.page.fill("#query", "nowhere")
    assert map_.page.locator("#status").inner_text() == "0 texts"
    map_.page.keyboard.press("Escape")
    assert map_.visible() == 7
    expect(map_.page.locator("#list .name, #list .text")).to_have_count(3)


def test_a_text_that_was_found_is_flown_to(map_: ShownMap) -> None:
    before = map_.view()
    map_.page.fill("#query", "bike")
    map_.page.locator(".hit button").click()
    assert map_.view()["scale"] > before["scale"]
    assert map_.view()["x"] == pytest.approx(1, abs=1e-3)
    assert map_.page.locator("#tip .text").inner_text() == EMOJI


def test_a_cluster_is_isolated_and_let_go(map_: ShownMap) -> None:
    row = map_.page.locator(".pick").first
    row.click()
    assert map_.visible() == 3
    assert row.get_attribute("aria-pressed") == "true"
    assert map_.page.locator("#status").inner_text() == "3 texts in trains, rail"
    map_.page.get_by_text("Read all 3").click()
    map_.shows(["Trains are late", "The rail strike", ARABIC])
    map_.page.fill("#query", "late")
    assert map_.visible() == 1
    map_.page.locator("#clear").click()
    assert map_.visible() == 7
    assert row.get_attribute("aria-pressed") == "false"


def test_wheel_buttons_keys_and_double_click_change_the_view(map_: ShownMap) -> None:
    whole = map_.view()
    x, y = map_.screen(5)
    map_.page.mouse.move(x, y)
    map_.page.mouse.wheel(0, -300)
    map_.drawn()
    assert map_.view()["scale"] > whole["scale"]
    assert map_.screen(5) == pytest.approx((x, y), abs=1)  # the place under the pointer stays
    map_.page.mouse.dblclick(700, 700)
    assert map_.view() == pytest.approx(whole)
    map_.page.locator("#zoom-in").click()
    assert map_.view()["scale"] == pytest.approx(1.6 * whole["scale"])
    map_.page.locator("#map").focus()
    map_.page.keyboard.press("-")
    assert map_.view()["scale"] == pytest.approx(whole["scale"])
    map_.page.keyboard.press("ArrowRight")
    assert map_.view()["x"] > whole["x"]
    map_.page.keyboard.press("0")
    assert map_.view() == pytest.approx(whole)
    map_.page.keyboard.press("/")
    assert map_.page.evaluate("document.activeElement.id") == "query"


def test_flights_end_where_they_should(browser: Browser, small: Path) -> None:
    shown = opened(browser, small, reduced_motion="no-preference")
    whole = shown.view()
    shown.page.locator(".pick").first.click()
    shown.page.locator("#clear").click()  # turns round in mid-flight
    shown.page.evaluate("new Promise(done => setTimeout(done, 700))")
    assert shown.view() == pytest.approx(whole)
    shown.page.context.close()


def test_dragging_moves_the_map_with_the_pointer(map_: ShownMap) -> None:
    x, y = map_.screen(0)
    map_.page.mouse.move(800, 650)
    map_.page.mouse.down()
    map_.page.mouse.move(830, 610, steps=4)
    map_.page.mouse.up()
    assert map_.screen(0) == pytest.approx((x + 30, y - 40), abs=1)


def test_the_theme_follows_the_system_until_it_is_switched(browser: Browser, small: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = opened(browser, small, color_scheme="light").page
    dark = opened(browser, small, color_scheme="dark").page
    bright, night = light.evaluate(paper), dark.evaluate(paper)
    assert bright != night
    light.locator("#theme").click()
    assert light.evaluate(paper) == night
    for page in (light, dark):
        page.context.close()


def test_on_a_phone_the_list_is_a_sheet_and_two_fingers_zoom(browser: Browser, small: Path) -> None:
    size = {"width": 390, "height": 844}
    shown = opened(browser, small, viewport=size, has_touch=True, is_mobile=True)
    height = shown.page.locator("#panel").evaluate("panel => panel.offsetHeight")
    shown.page.tap("#handle")
    assert shown.page.locator("#handle").get_attribute("aria-expanded") == "true"
    assert shown.page.locator("#panel").evaluate("panel => panel.offsetHeight") > 2 * height
    shown.page.locator(".pick").nth(1).tap()
    assert shown.visible() == 3
    assert shown.page.locator("#handle").get_attribute("aria-expanded") == "false"
    scale = shown.view()["scale"]
    touch = shown.page.context.new_cdp_session(shown.page)
    for kind, apart in (("touchStart", 40), ("touchMove", 80), ("touchMove", 120), ("touchEnd", 0)):
        fingers = [{"x": 200 + side * apart, "y": 300, "id": side} for side in (0, 1) if apart]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    assert shown.view()["scale"] == pytest.approx(3 * scale, rel=0.05)
    assert shown.complaints == []
    shown.page.context.close()


def test_ten_thousand_texts_are_drawn_moved_and_searched(browser: Browser, large: Path) -> None:
    shown = opened(browser, large)
    assert shown.page.evaluate("sememe.points") == 10_000
    whole = shown.colored()
    assert whole > 10_000
    shown.page.mouse.move(800, 400)
    for _ in range(3):
        shown.page.mouse.wheel(0, -200)
    shown.page.mouse.down()
    shown.page.mouse.move(700, 350, steps=5)
    shown.page.mouse.up()
    assert 0 < shown.colored() != whole
    shown.page.fill("#query", "text 999")
    assert shown.visible() == 19  # 9990 to 9999, and 999, 1999, ... 8999
    assert shown.requests == [large.as_uri()]
    assert shown.complaints == []
    shown.page.context.close()


@pytest.mark.parametrize("n", [0, 1])
def test_a_map_of_next_to_nothing_opens(browser: Browser, tmp_path: Path, n: int) -> None:
    path = tmp_path / "map.html"
    write_map(path, np.zeros((n, 2)), [-1] * n, ["alone"] * n, [])
    shown = opened(browser, path)
    assert shown.page.evaluate("sememe.points") == n
    assert shown.complaints == []
    shown.page.context.close()
