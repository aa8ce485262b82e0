"""Take the pictures of a map that the documentation shows, light and dark.

python docs/images/take_screenshots.py demo/map.html
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from playwright.sync_api import ViewportSize, sync_playwright

FOLDER = Path(__file__).parent
SIZE: ViewportSize = {"width": 1200, "height": 760}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def main() -> None:
    """Write map-light.png and map-dark.png beside this script."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None or len(sys.argv) != 2:
        sys.exit(f"{__doc__}\nIt needs Debian's package chromium.")
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []  # root has no sandbox to start
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=arguments)
        for scheme in SCHEMES:
            page = browser.new_page(viewport=SIZE, color_scheme=scheme, device_scale_factor=1.5)
            page.goto(Path(sys.argv[1]).resolve().as_uri())
            picture = FOLDER / f"map-{scheme}.png"
            page.screenshot(path=picture)
            print(f"{picture} {picture.stat().st_size // 1024} KB")
        browser.close()


if __name__ == "__main__":
    main()
