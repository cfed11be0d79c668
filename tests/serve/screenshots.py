"""Take the README's picture of the page anew: `python -m tests.serve.screenshots RELEASE IMAGE…`.

Four images fill the page; the phone shows the first two.
"""

import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.labelling.person import browser
from tests.serve.running import ROOT, running

FOLDER = ROOT / "components" / "serve" / "screenshots"


def main(release: str, *images: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    with running(release) as server, browser() as started:
        shoot(started, server.link, images, "page", {"viewport": {"width": 1120, "height": 760}})
        phone = {"viewport": {"width": 390, "height": 780}, "color_scheme": "dark", "device_scale_factor": 2}
        shoot(started, server.link, images[:2], "phone", phone)


def shoot(started: Browser, link: str, images: tuple[str, ...], name: str, look: dict) -> None:
    page = started.new_context(**look).new_page()
    page.goto(link)
    page.wait_for_selector("body[data-ready]")
    page.locator("#files").set_input_files([Path(each) for each in images])
    page.wait_for_selector(f"body[data-done='{len(images)}']")
    page.wait_for_timeout(500)  # cards have come
    path = FOLDER / f"{name}.png"
    page.screenshot(path=path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
    page.context.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
