"""The crew that answers: hostile images cost no neighbour, places in a batch are kept, progress is told."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from components.common.crew import Mark
from components.ingest.source.locations import Location, SourceFile
from components.predict import pace
from components.predict.answering import Answering, Item, Row, answer_all
from components.predict.settings import CHUNK, PredictSettings

SETTINGS = PredictSettings(processes=2)


def files(folder: Path, names: list[str]) -> list[SourceFile]:
    return [SourceFile(name, 0, None, None, Location(str(folder), name)) for name in names]


class Stalling(Answering):
    """A decoder that never ends with one image."""

    def work(self, items: list[Item], mark: Mark) -> list[Row | None]:
        for position, item in enumerate(items):
            if item.file.key == "endless.png":
                with mark.at(position, self.settings.max_seconds):
                    time.sleep(60)
        return super().work(items, mark)


def test_an_image_that_takes_too_long_costs_its_neighbours_nothing(released: Any, tmp_path: Path) -> None:
    asked = files(released.images, released.names[:9])
    calm = list(answer_all([asked], Answering(released.place, 10**8, SETTINGS)))
    job = Stalling(released.place, 10**8, SETTINGS.model_copy(update={"max_seconds": 1.0}))
    rows = list(answer_all([[*asked[:4], *files(tmp_path, ["endless.png"]), *asked[5:]]], job))
    assert rows[4] == {"image": "endless.png", "error": "too long to decode: more than 1 s"}
    assert rows[:4] + rows[5:] == calm[:4] + calm[5:]


def test_a_process_that_handles_a_part_of_a_chunk_gives_the_same_to_the_bit(released: Any) -> None:
    """As after a death, when a suspect goes alone."""
    job = Answering(released.place, 10**8, SETTINGS.model_copy(update={"embedding": True}))
    job.begin()
    items = [Item(file, place, CHUNK) for place, file in enumerate(files(released.images, released.names[:CHUNK]))]
    mark = Mark([0.0, 0.0])  # type: ignore[arg-type]
    together = job.work(items, mark)
    apart = [job.work([item], mark)[0] for item in items]
    for one, other in zip(together, apart, strict=True):
        assert one is not None
        assert other is not None
        assert one.pop("embedding").tobytes() == other.pop("embedding").tobytes()
        assert one == other


def test_how_fast_it_goes_and_how_long_it_takes_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "EVERY", 0)
    assert list(pace.paced(iter([1, 1]), done=2, total=4)) == [1, 1]
    first, *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"progress": "images", "done": 2, "total": 4}
    assert last["done"] == 4
    assert last["per_second"] > 0
    assert last["seconds_left"] == 0
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert list(pace.paced(iter([1, 1]), done=2, total=4)) == [1, 1]
    assert "4/4" in capsys.readouterr().err
