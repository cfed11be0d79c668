"""A person at the page, in a real browser: reads what is shown, and answers with the keyboard."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

READY = "body[data-ready]"


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium, the one that is installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise RuntimeError("these tests drive a real Chromium, and none is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


class Person:
    """Knows the class of every image (`knows`: id to class; None for none of the classes)."""

    def __init__(self, started: Browser, link: str, name: str, knows: Callable[[str], str | None], **look: Any) -> None:
        self.context = started.new_context(viewport={"width": 1280, "height": 800}, **look)
        self.page: Page = self.context.new_page()
        self.knows = knows
        self.errors: list[str] = []  # of the page's scripts, and what its policy forbids
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        self.page.goto(link)
        if name:
            self.page.fill("#person", name)
            self.page.keyboard.press("Enter")
        self.seen()

    def seen(self) -> list[str]:
        """Ids of the images that an answer now would be about; none where nothing is left."""
        self.page.wait_for_selector(READY, state="attached")
        shown = self.page.evaluate("document.body.dataset.ready")
        return [] if shown == "done" else shown.split()

    def answer(self, number: int = 1) -> list[str]:
        """Label so many images, one at a time; fewer where nothing is left. Returns their ids."""
        done: list[str] = []
        while len(done) < number and (images := self.seen()):
            self.press(self.knows(images[0]))
            done += images
        return done

    def answer_groups(self, number: int) -> list[str]:
        """Label at least so many images by groups: what most of a group are, those out of place taken out."""
        if self.page.get_attribute("#groups", "aria-pressed") == "false":
            self.turns(lambda: self.page.keyboard.press(","))
        done: list[str] = []
        while len(done) < number and (images := self.seen()):
            known = {image: self.knows(image) for image in images}
            most = Counter(known.values()).most_common(1)[0][0]
            for image in images:
                if known[image] != most:
                    self.page.click(f"#grid [data-id='{image}']")
            self.press(most)
            done += [image for image in images if known[image] == most]
        return done

    def press(self, label: str | None) -> None:
        """Answer with a class by its key, or by searching for it where it has none; and wait for what comes next."""
        key = "-" if label is None else self.key(label)
        if key:
            self.turns(lambda: self.page.keyboard.press(key))
            return
        self.page.keyboard.press("/")
        self.page.keyboard.type(label or "")
        self.turns(lambda: self.page.keyboard.press("Enter"))

    def key(self, label: str) -> str:
        """The key beside a class; empty where it has none."""
        cap = self.page.locator(f"#classes [data-class='{label}'] kbd")
        return cap.inner_text() if cap.count() else ""

    def turns(self, act: Callable[[], Any]) -> list[str]:
        """Do something that changes what is shown; returns what then is."""
        before = self.page.evaluate("document.body.dataset.ready")
        act()
        self.page.wait_for_function(
            "was => document.body.dataset.ready && document.body.dataset.ready !== was", arg=before
        )
        return self.seen()

    def next_round(self) -> list[str]:
        """Wait until the page offers newer candidates, and go on with them."""
        self.page.wait_for_selector("#notice button:visible", timeout=60_000)
        return self.turns(lambda: self.page.click("#notice button"))

    def progress(self) -> dict[str, str]:
        """By purpose what the page says is done, such as 3/12."""
        chips = self.page.locator("#purposes button")
        return {str(chip.get_attribute("data-purpose")): chip.locator("b").inner_text() for chip in chips.all()}

    def leaves(self) -> None:
        """Close the browser's window; the page ran without errors."""
        assert self.errors == []
        self.context.close()
