"""The pipeline of batch prediction by the local runner: real stages, workers side by side, the bytes of one process."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from components.common.errors import BadInputError
from components.predict.answer.stage import run as run_answer
from components.predict.command import main as predict
from components.predict.settings import CHUNK, PredictSettings
from components.predict.split.stage import run as run_split
from components.predict.stage import run as run_predict
from pipelines.__main__ import main
from pipelines.local import batch as command
from pipelines.local.progress import Lines
from tests.predict.conftest import Released, released

__all__ = ["released"]

SETTINGS = PredictSettings(part_images=CHUNK, processes=1, top=2)


def split(place: str, images: Path, output: Path, folder: Path, workers: int = 2, **more: Any) -> list[dict[str, Any]]:
    run_split(place, str(images), str(output), workers, SETTINGS.model_copy(update=more), folder / "parts")
    return json.loads((folder / "parts").read_text())


def test_workers_side_by_side_write_what_one_process_does(
    released: Released, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    screen = io.StringIO()
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "1")  # which leaves a file in the temporary folder
    monkeypatch.setattr("pipelines.local.progress.open_display", lambda: Lines(screen))
    words = [released.place, str(released.images), "-o", str(tmp_path / "out.csv"), "--workdir", str(tmp_path / "w")]
    settings = [f"part_images={CHUNK}", "processes=1", "top=2"]
    with pytest.raises(SystemExit) as end:
        main(["batch", *words, "--workers", "2", "--settings", *settings])
    assert end.value.code == 0
    started = sorted(line for line in screen.getvalue().splitlines() if line.endswith(": started"))
    assert started == ["answer-2: started", "answer: started", "predict: started", "split: started"]
    assert f"{len(released.names)} images, " in capsys.readouterr().out
    assert list(temporary.iterdir()) == []  # of the runner, the stages and their processes
    predict([released.place, str(released.images), "-o", str(tmp_path / "alone.csv"), "--top", "2"])
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    assert not (tmp_path / "out.csv.parts").exists()


def test_a_mistake_ends_in_one_line(released: Released, tmp_path: Path, capsys: Any) -> None:
    words = [released.place, str(released.images), "-o", str(tmp_path / "out.csv"), "--workdir", str(tmp_path)]
    for more, message in {
        "top=0": "top: Input should be greater than or equal to 1",
        "topp=1": "topp: Extra inputs are not permitted",
        "top": "'top': expected key=value",
    }.items():
        with pytest.raises(SystemExit) as end:
            main(["batch", *words, "--settings", more])
        assert end.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    with pytest.raises(SystemExit) as end:
        main(["batch", str(tmp_path / "nowhere"), *words[1:]])
    assert end.value.code == 2
    assert "error: predict: " in capsys.readouterr().err


def test_a_worker_does_nothing_twice_and_the_join_does_what_is_missing(released: Released, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    parts = split(released.place, released.images, output, tmp_path)
    assert [each["parts"].partition("/")[2] for each in parts] == ["0:1", "2:2"]
    run_answer(str(output), parts[0]["parts"], SETTINGS, tmp_path / "answered")
    assert (tmp_path / "answered").read_text() == parts[0]["parts"]
    times = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out.jsonl.parts/*/part-*")}
    assert len(times) == 2
    run_answer(str(output), parts[0]["parts"], SETTINGS, tmp_path / "answered")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert split(released.place, released.images, output, tmp_path) == parts, "begun again, it goes on"
    told = run_predict(str(output), SETTINGS, tmp_path / "predictions", json.dumps([each["parts"] for each in parts]))
    assert told is not None
    assert told["predictions"]["images"] == len(output.read_text().splitlines()) == len(released.names)
    assert json.loads((tmp_path / "predictions").read_text()) == told["predictions"]


def test_a_worker_of_a_run_that_was_begun_anew_does_not_mix_its_answers_in(released: Released, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    parts = split(released.place, released.images, output, tmp_path)
    other = split(released.place, released.images, output, tmp_path, anew=True, top=1)
    assert parts[0]["parts"] != other[0]["parts"]
    with pytest.raises(BadInputError, match="was begun anew meanwhile"):
        run_answer(str(output), parts[0]["parts"], SETTINGS, tmp_path / "answered")
    with pytest.raises(BadInputError, match="workers: got 0, expected from 1"):
        split(released.place, released.images, output, tmp_path, workers=0)
    with pytest.raises(BadInputError, match="holds no run"):
        run_answer(str(tmp_path / "else.csv"), parts[0]["parts"], SETTINGS, tmp_path / "answered")


def test_settings_are_words_of_json() -> None:
    assert command.read_settings(["top=3", "embedding=true", "max_seconds=1.5"]) == {
        "top": 3, "embedding": True, "max_seconds": 1.5
    }  # fmt: skip
