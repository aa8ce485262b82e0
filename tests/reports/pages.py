"""A written page: the data in it, and the page in headless Chromium, offline and watched."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, sync_playwright

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


@dataclass
class Shown:
    """An open page, and all that it asked for, said or complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @classmethod
    def opened(cls, browser: Browser, path: Path, **options: Any) -> Self:
        usual = {"viewport": {"width": 1200, "height": 800}, "reduced_motion": "reduce"}
        page = browser.new_context(offline=True, **(usual | options)).new_page()
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
        shown.page.context.close()

    def drawn(self) -> None:
        """Wait for events on their way and the frame they ask for."""
        frame = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.page.evaluate(frame)
