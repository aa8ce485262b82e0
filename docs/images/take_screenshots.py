"""Take the pictures of maps that the documentation shows: each map's name, and light or dark.

python docs/images/take_screenshots.py demo/map.html
python docs/images/take_screenshots.py --schemes light --color sentiment demo/map.html
python docs/images/take_screenshots.py --schemes light --scale 1 demo/topic.html demo/sentiment.html
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

FOLDER = Path(__file__).parent
SIZE: ViewportSize = {"width": 1200, "height": 760}


def main() -> None:
    """Write map-light.png, map-sentiment-light.png and the like beside this script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("maps", type=Path, nargs="+")
    parser.add_argument(
        "--schemes", nargs="+", choices=("light", "dark"), default=("light", "dark")
    )
    parser.add_argument("--color", help="the column that colours the texts")
    parser.add_argument("--scale", type=float, default=1.5, help="pixels of the picture a pixel")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("It needs Debian's package chromium.")
    arguments = ["--no-sandbox"] if os.getuid() == 0 else []  # root has no sandbox to start
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=arguments)
        for source in options.maps:
            for scheme in options.schemes:
                page = browser.new_page(
                    viewport=SIZE, color_scheme=scheme, device_scale_factor=options.scale
                )
                page.goto(source.resolve().as_uri())
                page.wait_for_selector("#summary:not(:empty)")
                if options.color:
                    page.select_option("#color", label=options.color)
                parts = (source.stem, options.color, scheme)
                picture = FOLDER / f"{'-'.join(part for part in parts if part)}.png"
                page.screenshot(path=picture)
                print(f"{picture} {picture.stat().st_size // 1024} KB")
        browser.close()


if __name__ == "__main__":
    main()
