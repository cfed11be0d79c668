"""The sampled log: what part of the answers it keeps, where, and that it never costs an answer."""

import hashlib
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.common.data.looks import looks
from components.common.served import ROWS, read
from components.common.storage import open_store
from components.monitor.collect.stage import run as collect
from components.monitor.observed import load
from components.monitor.settings import MonitorSettings
from components.releases.model import ReleasedModel
from components.serve import log as log_module
from components.serve.command import main
from components.serve.lines import Lines
from components.serve.log import Log
from components.serve.metrics import Metrics
from tests import tiny
from tests.monitor.observed import files
from tests.releases.made import publish_release
from tests.serve.running import Running, running

DAY = timedelta(days=1)


def rows(place: str, model: str = "digits") -> pa.Table:
    now = datetime.now(UTC)
    return pa.concat_tables([ROWS.empty_table(), *read(open_store(place), model, now - DAY, now + DAY)])


def waited(place: str, number: int) -> pa.Table:
    end = time.monotonic() + 30
    while len(found := rows(place)) < number:
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_answers_are_kept_as_they_were_given(server: Running, released: ReleasedModel, pictures: list[bytes]) -> None:
    place = str(server.log)  # type: ignore[attr-defined]
    begun = datetime.now(UTC)
    server.predict(*pictures[:5])
    pixels = np.stack([released.preprocessing.pixels(each) for each in pictures[:6]])
    tensor = {"name": "pixels", "datatype": "UINT8", "shape": [1, *pixels.shape[1:]], "data": pixels[5].tolist()}
    server.client.post("/v2/models/digits/infer", json={"inputs": [tensor]})
    answers = released.run(pixels)
    found = waited(place, 6).to_pylist()
    assert [each["id"] for each in found[:5]] == [hashlib.sha256(each).hexdigest() for each in pictures[:5]]
    assert found[5]["id"] == hashlib.sha256(pixels[5].tobytes()).hexdigest()
    for number, (row, told) in enumerate(zip(found, released.told(answers), strict=True)):
        assert (row["predicted"], row["abstain"]) == (told["class"], told["abstain"])
        assert row["confidence"] == pytest.approx(told["confidence"], abs=1e-5)
        assert row["probabilities"] == pytest.approx(answers.probabilities[number], abs=1e-5)
        assert np.array(row["embedding"]) == pytest.approx(answers.embeddings[number], abs=2e-3)
        assert row["version"] == released.version
        assert begun <= row["time"] <= datetime.now(UTC)
        seen = looks(pixels[number], 8, 8)
        assert (row["brightness"], row["sharpness"]) == pytest.approx((seen.brightness, seen.sharpness), abs=1e-5)
        assert row["size"] == (8 if number < 5 else None)
        assert row["pixels"] is None
    assert server.metric("gleaner_log_rows_total") == 6
    assert not [path for path in Path(place).rglob("*") if path.name.endswith(".partial")]


def test_rows_are_read_by_time_and_release(server: Running, released: ReleasedModel) -> None:
    store = open_store(str(server.log))  # type: ignore[attr-defined]
    now = datetime.now(UTC)
    everything = sum(len(each) for each in read(store, "digits", now - DAY, now + DAY))
    assert everything == sum(len(each) for each in read(store, "digits", now - DAY, now + DAY, released.version)) > 0
    assert list(read(store, "digits", now - DAY, now + DAY, "other")) == []
    assert list(read(store, "digits", now + timedelta(seconds=1), now + DAY)) == []
    assert list(read(store, "cats", now - DAY, now + DAY)) == []


def test_a_share_is_kept_and_pixels_only_where_asked_for(place: str, tmp_path: Path, pictures: list[bytes]) -> None:
    with running(
        place, "--threads", "1", "--log", str(tmp_path / "log"), "--log-rate", "0.5", "--log-pixels"
    ) as server:
        for _ in range(10):
            server.predict(*pictures[:30])
    found = rows(str(tmp_path / "log"))  # written when it stopped
    assert 100 < len(found) < 200
    assert {len(each) for each in found["pixels"].to_pylist()} == {64}


def test_a_store_that_refuses_costs_rows_and_no_answers(place: str, tmp_path: Path, pictures: list[bytes]) -> None:
    (tmp_path / "file").write_text("no folder")
    with running(
        place, "--threads", "1", "--log", str(tmp_path / "file"), "--log-rate", "1", "--log-seconds", "0.1"
    ) as server:
        assert server.predict(*pictures[:20]).status_code == 200
        assert server.line("log not written")["why"]
        assert server.metric("gleaner_log_failures_total") >= 1
        assert server.metric("gleaner_log_rows_total") == 0
        assert server.predict(pictures[0]).status_code == 200
    assert server.line("log rows lost")["rows"] == 21


def test_rows_beyond_the_bound_are_lost_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MOST_BYTES", 10_000)
    metrics = Metrics()
    log = Log(str(tmp_path), "digits", 1.0, 60, False, metrics, Lines())
    row = {"id": "a", "time": datetime.now(UTC), "embedding": np.zeros(400, np.float16)}
    for _ in range(30):
        log.add(row)
    assert len(log.rows) == 10
    assert metrics.registry.get_sample_value("gleaner_log_rows_dropped_total") == 20
    with log:
        pass
    assert len(rows(str(tmp_path))) == 10
    assert log.bytes == 0


def test_without_a_place_the_log_lies_where_the_watch_looks_for_it(
    tiny_world: tiny.World, tmp_path: Path, pictures: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    reference: dict[str, Any] = {name.replace(".", "_"): data for name, data in files().items()}
    place = publish_release(tiny_world, str(tmp_path / "store"), **reference)
    with running(
        place, "--threads", "1", "--log", "--log-rate", "1", GLEANER_NOW="2026-03-02T05:00:00+00:00"
    ) as server:
        assert server.predict(*pictures[:20]).status_code == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLEANER_NOW", "2026-03-02T06:00:00+00:00")
        collect(place, "", MonitorSettings(min_images=20), tmp_path / "observed")
    assert load(tmp_path / "observed").table["id"].to_pylist() == [
        hashlib.sha256(each).hexdigest() for each in pictures[:20]
    ]
    copy = str(shutil.copytree(place, tmp_path / "copy"))
    with pytest.raises(SystemExit):
        main([copy, "--port", "0", "--log"])
    told = f"error: serve: --log: {copy} lies in no store that could hold the log; say where: --log URI\n"
    assert capsys.readouterr().err == told


def test_release_and_log_may_lie_in_a_bucket(s3_bucket: str, tiny_world: tiny.World, pictures: list[bytes]) -> None:
    place = publish_release(tiny_world, s3_bucket)
    with running(place, "--threads", "1", "--log", f"{s3_bucket}/served", "--log-rate", "1") as server:
        assert server.predict(*pictures[:9]).status_code == 200
    assert len(rows(f"{s3_bucket}/served")) == 9
