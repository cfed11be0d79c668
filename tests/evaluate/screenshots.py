"""Take the README's picture of the report anew: `python -m tests.evaluate.screenshots`."""

import tempfile
from pathlib import Path

import numpy as np
import torch

from components.common.artifacts import ModelSpec, load_embeddings
from components.ingest.example import mnist
from tests import tiny
from tests.labelling.person import browser
from tests.labelling.world import ROOT
from tests.releases.made import publish_release

FOLDER = ROOT / "components" / "evaluate" / "screenshots"
SPEC = ModelSpec("resnet9", 16, "3x3", 28, "L", (0.13,), (0.31,))
SIZE = {"width": 1080, "height": 1500}
CHAMPION = 300  # labels that the champion learned from


def main() -> None:
    pixels, digits = mnist()
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, browser() as started:
        folder = Path(name)
        world = tiny.build(folder / "world", {"train": 1000}, others=(pixels, digits.astype(str)), spec=SPEC)
        features = torch.from_numpy(np.asarray(load_embeddings(world.embeddings, world.data), np.float32))
        champion, few = folder / "champion", world.rows["train"][:CHAMPION]
        tiny.classifier(champion, world.data, features, few, "pseudolabel", world.labels, SPEC)
        place = publish_release(world._replace(classifier=champion), world.store)
        done = tiny.evaluated(world, folder, champion=place.rpartition("/")[2])
        page = started.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto((done.evaluation / "report.html").as_uri())
        path = FOLDER / "report.png"
        page.screenshot(path=path)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
