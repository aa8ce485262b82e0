"""A written page: the data in it, and the page in headless Chromium, offline and watched."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    sync_playwright,
)

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for found in map(shutil.which, BROWSERS) if found), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(
            "no Chromium on this machine: install Debian's package chromium to run browser tests"
        )
    # A root user, as in a container, has no sandbox to start.
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@cache
def _context(browser: Browser, phone: bool) -> BrowserContext:
    """One for all pages of a device: they store nothing, and it takes longer to make than they.

    An empty page stays open, and with it the process that draws the next one.
    """
    context = browser.new_context(offline=True, has_touch=phone, is_mobile=phone)
    context.new_page()
    return context


@dataclass
class Shown:
    """An open page, and all that it asked for, said or complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def opened(cls, browser: Browser, path: Path, **options: Any) -> Self:
        """With `phone=True`, a `viewport` of width and height, and what `emulate_media` takes."""
        page = _context(browser, options.pop("phone", False)).new_page()
        width, height = options.pop("viewport", (1200, 800))
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(**{"reduced_motion": "reduce", **options})
        shown = cls(page)

        def dismissed(dialog: Dialog) -> None:
            shown.complaints.append(dialog.message)
            dialog.dismiss()

        def heard(message: ConsoleMessage) -> None:
            if message.type == "error":
                shown.complaints.append(message.text)

        page.on("request", lambda request: shown.requests.append(request.url))
        page.on("pageerror", lambda error: shown.complaints.append(str(error)))
        page.on("console", heard)
        page.on("dialog", dismissed)
        page.goto(path.as_uri())
        return shown

    @classmethod
    @contextmanager
    def watched(cls, browser: Browser, path: Path) -> Iterator[Self]:
        """A page that is to ask for itself and nothing else, and to complain of nothing."""
        shown = cls.opened(browser, path)
        yield shown
        assert shown.requests == [path.as_uri()], "the file asks for itself and nothing else"
        assert shown.complaints == []
        shown.page.close()

    def drawn(self) -> None:
        """Wait for events on their way and the frame they ask for."""
        frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.page.evaluate(frame)
