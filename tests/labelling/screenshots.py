"""Take the README's pictures of the page anew: `python -m tests.labelling.screenshots`."""

import tempfile
from collections import Counter
from pathlib import Path

from components.ingest.example import mnist
from tests.labelling.person import Person, browser
from tests.labelling.world import ROOT, build_of, serve

FOLDER = ROOT / "components" / "labelling" / "screenshots"
ASKED = {"train": 30, "validation": 50, "calibration": 100, "test": 200}
CLUSTERS = 60
ODD = 2  # images that do not belong, in the group that is shown


def main() -> None:
    pixels, digits = mnist()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, browser() as started:
        folder = Path(name)
        world = build_of(folder, pixels, digits.astype(str), str(folder / "store"), ASKED, CLUSTERS)
        with serve(world.store) as server:
            ann = Person(started, server.link, "Ann", world.truth.__getitem__)
            ann.answer(14)
            shoot(ann, "single")
            images = ann.turns(lambda: ann.page.keyboard.press(","))
            while (most := Counter(map(world.truth.__getitem__, images)).most_common(1)[0])[1] != len(images) - ODD:
                images = ann.turns(lambda: ann.page.keyboard.press("."))
            for image in images:
                if world.truth[image] != most[0]:
                    ann.page.click(f"#grid [data-id='{image}']")
            ann.page.mouse.move(5, 5)
            shoot(ann, "group")
            phone = Person(
                started, server.link, "Bea", world.truth.__getitem__, color_scheme="dark", device_scale_factor=2
            )
            phone.page.set_viewport_size({"width": 390, "height": 780})
            phone.answer(3)
            shoot(phone, "phone")


def shoot(person: Person, name: str) -> None:
    person.seen()
    person.page.wait_for_timeout(1000)  # colours fade, pictures at the foot come
    path = FOLDER / f"{name}.png"
    person.page.screenshot(path=path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
