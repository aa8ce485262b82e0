"""The map as its reader meets it, in headless Chromium, offline and with every request watched."""

import csv
import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree

import numpy as np
import pytest
from groups import group
from pages import Shown, chromium
from playwright.sync_api import Browser, expect

from sememe.reports.cluster_map import write_map

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`\\ &amp;"
ARABIC = "القطار متأخر كل صباح"
EMOJI = "Love my e-bike 🚲👩🏽‍🚀"
TEXTS = ["Trains are late", "The rail strike", ARABIC, "Café crème", EVIL, EMOJI, "word " * 400]
COLUMNS: dict[str, list[Any]] = {
    "team": ["red", "blue", "red", "blue", EVIL, "red", None],
    "price": ["1.50", "2", "3", "4", "5", "", "7"],
    "day": ["2026-01-0" + str(i + 1) for i in range(7)],
    EVIL: [EVIL, *("ab" * 33 + str(i) for i in range(6))],
}


class ShownMap(Shown):
    """An open map: what it shows, and where."""

    @classmethod
    def opened(cls, browser: Browser, path: Path, **options: Any) -> Self:
        shown = super().opened(browser, path, **options)
        expect(shown.page.locator("#summary")).not_to_be_empty()  # written last
        return shown

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

    def pixels(self, point: int, reach: int) -> list[int]:
        """Red, green, blue and alpha of the pixels around a text."""
        self.drawn()
        x, y = self.screen(point)
        values: list[int] = self.page.evaluate(
            f"""[...document.getElementById("map").getContext("2d").getImageData(
              {round(x) - reach}, {round(y) - reach}, {2 * reach + 1}, {2 * reach + 1}).data]"""
        )
        return values

    def hover(self, point: int) -> str:
        self.page.mouse.move(*self.screen(point))
        return self.page.locator("#tip .text").inner_text()

    def inks(self) -> list[int]:
        """The colour of each text, by its number."""
        return [self.page.evaluate(f"sememe.ink({i})") for i in range(len(TEXTS))]

    def saved(self, kind: str) -> bytes:
        """What a button saves."""
        with self.page.expect_download() as download:
            self.page.locator(f"#save-{kind}").click()
        return download.value.path().read_bytes()

    def shows(self, rows: list[str]) -> None:
        """Assert that the list shows these rows, once it is laid out."""
        found = self.page.locator("#list .name:visible, #list .text:visible")
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
    groups = [
        group(0, 3, ["trains", "rail"], ["Trains are late"]),
        group(1, 3, [EVIL, "café"], [EVIL]),
    ]
    labels = [0, 0, 0, 1, 1, 1, -1]
    write_map(path, points, labels, TEXTS, groups, columns=COLUMNS, title=f"Seven {EVIL}")
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map") / "map.html"
    random = np.random.default_rng(0)
    labels = random.integers(-1, 30, size=10_000)
    points = random.normal(size=(31, 2))[labels] + 0.1 * random.normal(size=(10_000, 2))
    groups = [group(i, int((labels == i).sum()), [f"topic {i}"], []) for i in range(30)]
    write_map(path, points, labels, [f"text {i}" for i in range(10_000)], groups)
    return path


opened = ShownMap.opened


@pytest.fixture
def map_(browser: Browser, small: Path) -> Iterator[ShownMap]:
    with ShownMap.watched(browser, small) as shown:
        yield shown


@pytest.mark.slow
def test_shows_every_text_and_the_clusters(map_: ShownMap) -> None:
    assert map_.page.evaluate("sememe.points") == 7
    assert map_.visible() == 7
    assert map_.page.locator("#summary").inner_text() == "7 texts, 2 clusters, 1 outlier"
    assert map_.page.locator(".cluster .number").all_inner_texts() == ["0", "1", ""]
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
    expect(map_.page.locator("#list mark")).to_have_text(["rail", "strike"])
    map_.page.fill("#query", "creme cafe")
    map_.shows(["Café crème"])
    expect(map_.page.locator("#list mark")).to_have_text(["Café", "crème"])
    map_.page.fill("#query", "wor ord")
    expect(map_.page.locator("#list mark").first).to_have_text("wor")
    assert map_.page.locator("#list .text").inner_text().startswith("word word ")
    map_.page.fill("#query", "nowhere")
    assert map_.page.locator("#status").inner_text() == "0 texts"
    map_.page.keyboard.press("Escape")
    assert map_.visible() == 7
    expect(map_.page.locator("#list .name, #list .text")).to_have_count(3)


def test_what_a_search_finds_stands_out(map_: ShownMap) -> None:
    def inked() -> int:
        pixels = np.array(map_.pixels(5, 12)).reshape(-1, 4)[:, :3]
        return int((np.abs(pixels - pixels[0]).sum(axis=1) > 60).sum())

    before = inked()
    map_.page.fill("#query", "e-bike")
    assert inked() > 1.3 * before
    map_.page.fill("#query", "train")
    assert inked() < before


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
    shown.page.close()


def test_dragging_moves_the_map_with_the_pointer(map_: ShownMap) -> None:
    x, y = map_.screen(0)
    map_.page.mouse.move(800, 650)
    map_.page.mouse.down()
    map_.page.mouse.move(830, 610, steps=4)
    map_.page.mouse.up()
    assert map_.screen(0) == pytest.approx((x + 30, y - 40), abs=1)
    moved = map_.pixels(0, 10)
    for _ in range(2):
        map_.page.locator("#theme").click()  # draws all anew
    assert moved == pytest.approx(map_.pixels(0, 10), abs=8)
    assert len(set(moved)) > 10


def test_the_theme_follows_the_system_until_it_is_switched(browser: Browser, small: Path) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    light = opened(browser, small, color_scheme="light").page
    dark = opened(browser, small, color_scheme="dark").page
    bright, night = light.evaluate(paper), dark.evaluate(paper)
    assert bright != night
    light.locator("#theme").click()
    assert light.evaluate(paper) == night
    for page in (light, dark):
        page.close()


def test_on_a_phone_the_list_is_a_sheet_and_two_fingers_zoom(browser: Browser, small: Path) -> None:
    shown = opened(browser, small, viewport=(390, 844), phone=True)
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
    shown.page.close()


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
    shown.page.close()


@pytest.mark.parametrize("n", [0, 1])
def test_a_map_of_next_to_nothing_opens(browser: Browser, tmp_path: Path, n: int) -> None:
    path = tmp_path / "map.html"
    write_map(path, np.zeros((n, 2)), [-1] * n, ["alone"] * n, [])
    shown = opened(browser, path)
    assert shown.page.evaluate("sememe.points") == n
    assert shown.complaints == []
    shown.page.close()


def test_texts_are_coloured_by_categories_numbers_and_dates(map_: ShownMap) -> None:
    clusters = map_.inks()
    assert clusters[0] == clusters[1] == clusters[2] != clusters[3] == clusters[5]
    map_.page.select_option("#color", "team")
    red, blue, evil, blank = (map_.inks()[i] for i in (0, 1, 4, 6))
    assert map_.inks() == [red, blue, red, blue, evil, red, blank]
    assert len({red, blue, evil, blank}) == 4
    legend = map_.page.locator(".facet li")
    expect(legend).to_have_text(["red3", "blue2", f"{EVIL}1", "(blank)1"])
    assert map_.page.locator("img").count() == 0
    map_.page.select_option("#color", "price")
    inks = map_.inks()
    assert inks[5] == blank  # an empty cell
    assert inks[0] < inks[1] < inks[2] < inks[3] < inks[4] <= inks[6]
    expect(map_.page.locator(".facet .note")).to_have_text("1 text without a number: grey")
    map_.page.select_option("#color", "day")
    assert map_.inks() == sorted(map_.inks())
    map_.page.locator(".facet button").click()
    assert map_.inks() == clusters
    expect(map_.page.locator("#color option")).to_have_text(["clusters", "team", "price", "day"])


def test_the_bars_of_clusters_show_the_shares_of_a_column(map_: ShownMap) -> None:
    map_.page.select_option("#color", "team")
    bar = map_.page.locator(".bar i").first.evaluate("bar => bar.style.background")
    red, blue = (f"var(--color-{map_.inks()[i]})" for i in (0, 1))
    assert bar.startswith("linear-gradient(90deg")
    assert f"{red} 0%" in bar
    assert f"{blue} 66.6" in bar
    row = map_.page.locator(".cluster").first
    assert row.get_attribute("title") == "red: 2 (67 %)\nblue: 1 (33 %)"
    map_.page.select_option("#color", "price")
    assert row.get_attribute("title") == ""


def test_filters_on_columns_add_up_and_go_away(map_: ShownMap) -> None:
    map_.page.select_option("#filter", "team")
    map_.page.get_by_role("button", name="red 3").click()
    assert map_.visible() == 3
    map_.page.get_by_role("button", name="blue 2").click()
    assert map_.visible() == 5
    expect(map_.page.locator("#list .size:visible")).to_have_text(["3", "2 of 3"])
    map_.page.select_option("#filter", "price")
    map_.page.get_by_label("price: from").fill("2")
    assert map_.visible() == 3  # 2, 3 and 4; the blank is none
    map_.page.select_option("#filter", "day")
    map_.page.get_by_label("day: to").fill("2026-01-03")
    assert map_.visible() == 2
    map_.page.locator("#read").click()
    map_.shows(["The rail strike", ARABIC])
    assert map_.page.locator("#list .cells").first.inner_text().startswith("blue · 2 · 2026-01-02")
    map_.page.locator(".facet h2 button").last.click()
    assert map_.visible() == 3
    map_.page.locator("#clear").click()
    assert map_.visible() == 7
    assert map_.page.locator(".facet").count() == 0
    map_.page.select_option("#filter", EVIL)
    map_.page.get_by_label(f"{EVIL}: words").fill("<img SCRIPT")
    assert map_.visible() == 1
    map_.page.select_option("#color", "team")  # fills the filters again
    expect(map_.page.get_by_label(f"{EVIL}: words")).to_have_value("<img SCRIPT")
    assert map_.visible() == 1


def test_the_tooltip_shows_the_columns(map_: ShownMap) -> None:
    map_.page.select_option("#color", "price")
    map_.hover(0)
    terms = map_.page.locator("#tip dt")
    expect(terms).to_have_text(["price", "team", "day", EVIL])
    expect(map_.page.locator("#tip dd").first).to_have_text("1.50")
    map_.hover(6)
    expect(terms).to_have_text(["price", "day", EVIL])  # a blank cell is not shown


def test_the_selected_texts_are_saved_as_a_table(map_: ShownMap) -> None:
    map_.page.locator(".pick").nth(1).click()
    table = map_.saved("csv").decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(table, newline="")))
    assert rows[0] == ["row", "text", "cluster", "name", "team", "price", "day", EVIL]
    name = f"{EVIL[:59]}…, café"
    expected = [
        [str(i), TEXTS[i], "1", name, *(COLUMNS[one][i] for one in COLUMNS)] for i in (3, 4, 5)
    ]
    assert rows[1:] == expected


def test_the_view_is_saved_as_a_drawing_and_as_a_picture(map_: ShownMap) -> None:
    map_.page.select_option("#color", "team")
    drawing = ElementTree.fromstring(map_.saved("svg"))
    space = "{http://www.w3.org/2000/svg}"
    assert drawing.tag == f"{space}svg"
    dots = "".join(path.attrib["d"] for path in drawing.iter(f"{space}path"))
    assert dots.count("M") == 7
    words = [text.text for text in drawing.iter(f"{space}text")]
    assert words == ["trains, rail", f"{EVIL[:59]}…", "team", "red", "blue", EVIL]
    assert {one.tag for one in drawing.iter()} <= {
        space + tag for tag in ("svg", "title", "rect", "path", "text", "circle")
    }
    picture = map_.saved("png")
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    assert (width, height) == (2 * round(float(drawing.attrib["width"])), 1600)


def test_names_that_do_not_fit_are_counted_until_a_closer_look(
    browser: Browser, large: Path
) -> None:
    shown = opened(browser, large)
    note = shown.page.locator("#hidden-names")
    expect(note).to_contain_text("labels hidden, zoom in")
    for _ in range(6):
        shown.page.locator("#zoom-in").click()
    expect(note).to_be_hidden()
    shown.page.close()


def test_of_many_categories_the_most_frequent_have_colours(
    browser: Browser, tmp_path: Path
) -> None:
    cities = [f"city {i}" for i in range(200) for _ in range(201 - i)]
    n = len(cities)
    points = np.random.default_rng(0).normal(size=(n, 2))
    columns = {"city": cities}
    path = tmp_path / "map.html"
    write_map(path, points, [-1] * n, ["x"] * n, [], columns=columns, color="city")
    shown = opened(browser, path)
    inks = [shown.page.evaluate(f"sememe.ink({cities.index(f'city {i}')})") for i in range(200)]
    assert len(set(inks[:12])) == 12
    assert len(set(inks[12:])) == 1
    assert inks[12] not in inks[:12]
    expect(shown.page.locator(".facet .note")).to_have_text(
        "The 12 most frequent of 200 values have colours, the others are grey."
    )
    shown.page.close()


def test_a_column_whose_numbers_are_not_drawn_is_grey(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    columns: dict[str, list[object]] = {"price": [None, 5], "day": ["", "2026-11-29"]}
    write_map(path, [[0, 0]], [-1, -1], ["a", "b"], [], columns=columns, color="price", rows=[0])
    shown = opened(browser, path)
    grey = shown.page.evaluate("sememe.ink(0)")
    expect(shown.page.locator(".facet .note")).to_have_text("1 text without a number: grey")
    shown.page.select_option("#color", "day")
    assert shown.page.evaluate("sememe.ink(0)") == grey
    assert shown.complaints == []
    shown.page.close()


def test_names_are_shorter_on_the_map_than_in_the_list(browser: Browser, tmp_path: Path) -> None:
    names = ["nuclear reactors, nuclear waste, fission", "cards, and what comes with"]
    groups = [
        {"label": i, "size": 2, "name": name, "terms": ["x"], "examples": []}
        for i, name in enumerate(names)
    ]
    path = tmp_path / "map.html"
    write_map(path, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 1, 1], list("abcd"), groups)
    shown = opened(browser, path)
    shown.shows(names)
    drawing = ElementTree.fromstring(shown.saved("svg"))
    words = [text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert words == ["nuclear reactors", "cards"]
    shown.hover(0)
    assert shown.page.locator("#tip .of").inner_text() == names[0]
    shown.page.close()


def test_a_hierarchy_folds_the_list(browser: Browser, tmp_path: Path) -> None:
    def node(label: int | None, *children: Any, name: str = "") -> Any:
        return {"name": name, "label": label, "children": children}

    groups = [group(i, 2, [f"topic {i}"], []) for i in range(4)]
    tree = [node(None, node(0), node(1), name=EVIL), node(None, node(2), node(3))]
    points = [[i, j] for i in range(4) for j in range(2)]
    labels = [i for i in range(4) for _ in range(2)]
    path = tmp_path / "map.html"
    write_map(path, points, labels, [f"text {i}" for i in range(8)], groups, tree=tree)
    shown = opened(browser, path)
    name = f"{EVIL[:59]}…"
    shown.shows([name, "topic 2 · topic 3"])
    shown.page.locator(".fold").first.click()
    shown.shows([name, "topic 0", "topic 1", "topic 2 · topic 3"])
    shown.page.locator(".branch > .pick").nth(1).click()
    assert shown.visible() == 4
    assert shown.page.locator("#status").inner_text() == "4 texts in topic 2 · topic 3"
    shown.page.locator("#read").click()
    shown.shows([f"text {i}" for i in range(4, 8)])
    assert shown.complaints == []
    shown.page.close()


def test_on_a_phone_the_tooltip_stays_above_the_sheet(browser: Browser, small: Path) -> None:
    shown = opened(browser, small, viewport=(390, 844), phone=True)
    for point in range(7):
        shown.page.touchscreen.tap(*shown.screen(point))
        shown.drawn()
        tip, panel = (shown.page.locator(one).bounding_box() for one in ("#tip", "#panel"))
        assert tip is not None
        assert panel is not None
        assert tip["x"] >= 0
        assert tip["x"] + tip["width"] <= 390
        assert 0 <= tip["y"] <= tip["y"] + tip["height"] <= panel["y"]
        shown.page.touchscreen.tap(20, 20)
    shown.page.touchscreen.tap(*shown.screen(6))
    shown.page.tap("#handle")
    shown.drawn()
    tip, panel = (shown.page.locator(one).bounding_box() for one in ("#tip", "#panel"))
    assert tip is not None
    assert panel is not None
    assert tip["y"] + tip["height"] <= panel["y"]
    shown.page.close()


def luminance(color: list[int]) -> float:
    """The relative luminance of red, green and blue from 0 to 255, as WCAG 2.2 defines it."""
    parts = np.array(color) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_stand_out_from_the_paper(browser: Browser, small: Path, scheme: str) -> None:
    shown = opened(browser, small, color_scheme=scheme)
    paper, *inks = shown.page.evaluate(
        """() => ["page", ...Array.from({ length: 12 }, (_, i) => `color-${i}`)].map((name) => {
          document.body.style.color = `var(--${name})`;
          const brush = new OffscreenCanvas(1, 1).getContext("2d");
          brush.fillStyle = getComputedStyle(document.body).color;
          brush.fillRect(0, 0, 1, 1);
          return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
        })"""
    )
    for ink in inks:
        low, high = sorted((luminance(paper), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 3  # WCAG 2.2, 1.4.11
    shown.page.close()
