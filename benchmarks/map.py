"""The map of many texts in a browser: its file, its first picture, and frames a second.

    python benchmarks/map.py [--data DIR] [--texts 100000]

The texts are the NLI pairs' sentences and the short texts in DIR (docs/data.md), or, without it,
windows of the opinions; they lie in 200 round clusters, with a category, a number and a date each.
Chromium is headless and draws without a GPU. A frame counts where the view has moved since the
last one.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from sememe.reports.cluster_map import write_map
from sememe.tables import read_table
from texts import many_texts

_CLUSTERS = 200
_SECONDS = 4.0
_COUNT_FRAMES = """() => {
  window.frames_moved = 0;
  let last = "";
  const step = () => {
    const view = JSON.stringify(sememe.view());
    window.frames_moved += view !== last;
    last = view;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}"""
_TWO_FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def texts_of(data: Path | None, count: int) -> list[str]:
    """So many different texts; without the data, windows of the opinions."""
    if data is None:
        return list(many_texts(count))
    pairs = read_table(data / "nli" / "nli_pairs.parquet").columns
    short = read_table(data / "clustering" / "short_text.parquet").columns
    sentences = dict.fromkeys([*pairs["premise"], *pairs["hypothesis"], *short["text"]])
    return [str(text) for text in sentences][:count]


def write(path: Path, texts: list[str]) -> float:
    """Write the map of texts in round clusters; the seconds it took."""
    random = np.random.default_rng(0)
    n = len(texts)
    labels = random.integers(-1, _CLUSTERS, size=n)
    points = random.normal(size=(_CLUSTERS + 1, 2))[labels] + 0.05 * random.normal(size=(n, 2))
    sizes = np.bincount(labels + 1, minlength=_CLUSTERS + 1)[1:]
    clusters = [
        {"label": i, "size": int(sizes[i]), "terms": [f"topic {i}", "more"], "examples": []}
        for i in range(_CLUSTERS)
    ]
    columns: dict[str, Any] = {
        "country": [f"country {code}" for code in random.geometric(0.05, size=n)],
        "price": random.gamma(2, 50, size=n).round(2),
        "day": [
            date(2024, 1, 1) + timedelta(days=int(day)) for day in random.integers(900, size=n)
        ],
    }
    start = time.perf_counter()
    write_map(path, points, labels, texts, clusters, columns=columns)
    return time.perf_counter() - start


def frames_while_panning(page: Page) -> float:
    """Frames a second in which the view moved, while the pointer drags it round."""
    page.mouse.move(750, 400)
    page.mouse.down()
    page.evaluate(_COUNT_FRAMES)
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < _SECONDS:
        page.mouse.move(750 + 300 * np.sin(3 * elapsed), 400 + 250 * np.sin(2 * elapsed))
    frames = int(page.evaluate("window.frames_moved"))
    page.mouse.up()
    return frames / elapsed


def frames_while_zooming(page: Page) -> float:
    """Frames a second in which the view moved, while the wheel zooms in and out."""
    page.evaluate("window.frames_moved = 0")
    start = time.perf_counter()
    while (elapsed := time.perf_counter() - start) < _SECONDS:
        page.mouse.wheel(0, -40 if elapsed % 2 < 1 else 40)
    return int(page.evaluate("window.frames_moved")) / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--texts", type=int, default=100_000)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("It needs Debian's package chromium.")
    texts = texts_of(options.data, options.texts)
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []  # root has no sandbox to start
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        path = Path(folder) / "map.html"
        seconds = write(path, texts)
        print(f"{len(texts):,} texts, {sum(map(len, texts)) / len(texts):.0f} characters each")
        print(f"written in {seconds:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
        browser = driver.chromium.launch(executable_path=chromium, args=arguments)
        page = browser.new_page(viewport={"width": 1200, "height": 800})
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("#summary:not(:empty)")
        page.evaluate(_TWO_FRAMES)
        print(f"first picture after {time.perf_counter() - start:.2f} s")
        for name, measure in (("panning", frames_while_panning), ("zooming", frames_while_zooming)):
            frames = sorted(measure(page) for _ in range(3))
            print(f"{name}: {frames[1]:.0f} frames a second ({frames[0]:.0f} to {frames[2]:.0f})")
        start = time.perf_counter()
        page.fill("#query", "the street")
        page.evaluate(_TWO_FRAMES)
        print(f"first search: {time.perf_counter() - start:.2f} s")
        print(f"load on {os.cpu_count()} cores meanwhile: {os.getloadavg()[0]:.1f}")
        browser.close()


if __name__ == "__main__":
    main()
