"""Take the README's picture of the report anew: `python -m tests.evaluate.screenshots`."""

import io
import tempfile
from pathlib import Path

from PIL import Image

from components.common.artifacts import ModelSpec
from components.ingest.example import mnist
from tests import tiny
from tests.evaluate import told
from tests.evaluate.test_report import written
from tests.labelling.person import browser
from tests.labelling.world import ROOT

FOLDER = ROOT / "components" / "evaluate" / "screenshots"
SPEC = ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,))
SIZE = {"width": 1080, "height": 1500}
COLOURS = 128  # of the picture, so that it stays small


def main() -> None:
    pixels, digits = mnist()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, browser() as started:
        folder = Path(name)
        world = tiny.build(folder / "world", {"train": 500}, others=(pixels, digits.astype(str)), spec=SPEC)
        done = tiny.evaluated(world, folder, map_points=0)
        report = written(world, told.complete(done.evaluation, folder / "told"), 1500)
        page = started.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto(report.as_uri())
        picture = Image.open(io.BytesIO(page.screenshot()))
        path = FOLDER / "report.png"
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
