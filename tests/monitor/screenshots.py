"""Take the README's pictures of drift.html anew: `python -m tests.monitor.screenshots`.

A model of the digits 0 to 8 is watched for six weeks, in which digits turn more and more, 1 swells, and 9 appears.
"""

import os
import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from components.common import clock
from components.common.artifacts import ModelSpec
from components.common.data.images import png
from components.ingest.example import mnist
from components.monitor.collect.stage import run as collect
from components.monitor.compare.stage import run as compare
from components.monitor.settings import MonitorSettings
from components.release.settings import ReleaseSettings
from components.release.stage import run as release
from tests import tiny
from tests.labelling.person import browser
from tests.labelling.world import ROOT
from tests.monitor.observed import NOW

FOLDER = ROOT / "components" / "monitor" / "screenshots"
SPEC = ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,))
KNOWN = 3000  # images that the release was made of
WEEKLY = 300
DEGREES, ONES, NINES = (0, 0, 4, 10, 16, 22), (0, 0, 20, 40, 60, 80), (0, 0, 0, 12, 24, 36)
LOOKS = {
    "drift": {"viewport": {"width": 1080, "height": 1500}},
    "phone": {"viewport": {"width": 390, "height": 780}, "color_scheme": "dark", "device_scale_factor": 2},
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        page = watched(Path(name))
        FOLDER.mkdir(exist_ok=True)
        with browser() as started:
            for picture, look in LOOKS.items():
                shown = started.new_context(**look).new_page()  # type: ignore[arg-type]
                shown.goto(page.as_uri())
                path = FOLDER / f"{picture}.png"
                shown.screenshot(path=path)
                print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def watched(folder: Path) -> Path:
    """Release a model, and look at it week after week; returns the last drift.html."""
    pixels, digits = mnist()
    order = np.random.default_rng(0).permutation(len(digits))
    nines, known = order[digits[order] == 9], order[digits[order] < 9]
    world = tiny.build(
        folder / "world", {}, others=(pixels[known[:KNOWN]], digits[known[:KNOWN]].astype(str)), spec=SPEC
    )
    done = tiny.evaluated(world, folder)
    settings = ReleaseSettings()
    release(world.classifier, done.calibration, done.evaluation, "mnist", world.store, settings, folder / "release")
    drift = folder
    for week in range(len(DEGREES)):
        os.environ[clock.VARIABLE] = (NOW + timedelta(days=7 * week)).isoformat()
        images, observed, drift = (folder / f"{name}-{week}" for name in ("images", "observed", "drift"))
        _arrive(images, week, pixels, digits, known[KNOWN:], nines)
        asked = MonitorSettings(audit=20)
        collect(str(folder / "release" / "release.json"), str(images), asked, observed)
        compare(str(folder / "release" / "release.json"), observed, asked, drift)
    return drift / "drift.html"


def _arrive(
    folder: Path, week: int, pixels: np.ndarray, digits: np.ndarray, fresh: np.ndarray, nines: np.ndarray
) -> None:
    """The images of a week."""
    folder.mkdir()
    rng = np.random.default_rng(week)
    ones = fresh[digits[fresh] == 1]
    rows = np.concatenate(
        [
            rng.choice(fresh, WEEKLY - ONES[week] - NINES[week], replace=False),
            rng.choice(ones, ONES[week], replace=False),
            rng.choice(nines, NINES[week], replace=False),
        ]
    )
    for number, row in enumerate(rng.permutation(rows)):
        turned = Image.fromarray(pixels[row]).rotate(DEGREES[week], Image.Resampling.BILINEAR)
        (folder / f"{number:03d}.png").write_bytes(png(turned))


if __name__ == "__main__":
    main()
