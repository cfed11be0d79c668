"""What `gleaner predict --output` writes: whole, in the order of the images, once, whatever happens meanwhile."""

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.common.storage import open_store
from components.predict import work as work_module
from components.predict.command import main
from components.predict.settings import CHUNK
from components.releases.model import load_release
from tests.processes import descendants, gone
from tests.releases.made import THRESHOLDS, publish_release

BAD = {
    "empty.png": (b"", "empty file"),
    "text.png": (b"no image", "not a JPEG, PNG"),
    "cut.png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "broken: "),
}


@pytest.fixture
def mixed(released: Any, tmp_path: Path) -> Path:
    """Images, broken ones and other files."""
    folder = tmp_path / "mixed"
    shutil.copytree(released.images, folder)
    for name, (data, _) in BAD.items():
        (folder / name).write_bytes(data)
    (folder / "README").write_text("no image, and none by its name")
    (folder / "photo").write_bytes((folder / released.names[0]).read_bytes())
    return folder


def test_every_format_tells_the_same(released: Any, mixed: Path, tmp_path: Path, capsys: Any, predict: Any) -> None:
    classes = load_release(released.place, 1).classes
    for kind in ("csv", "jsonl", "parquet"):
        assert predict(mixed, "-o", tmp_path / f"out.{kind}", "--top", 2, "--embedding", "--part-images", CHUNK) == 0
        assert not (tmp_path / f"out.{kind}.parts").exists()
        assert f"{len(released.names) + 4} images, " in capsys.readouterr().err
    table = pq.read_table(tmp_path / "out.parquet").to_pylist()
    names = sorted([*released.names, *BAD, "photo"])
    assert [row["image"] for row in table] == [f"{mixed}/{name}" for name in names]
    told = {Path(row["image"]).name: row for row in table}
    for name, probabilities in zip(released.names, released.probabilities, strict=True):
        row = told[name]
        assert row["confidence"] == pytest.approx(probabilities.max(), abs=1e-5)
        assert row["class"] == classes[int(probabilities.argmax())]
        assert np.linalg.norm(row["embedding"]) == pytest.approx(1, abs=1e-5)
        assert row["error"] is None
    for name, (_, reason) in BAD.items():
        assert told[name]["error"].startswith(reason)
        assert {value for key, value in told[name].items() if key not in ("image", "error")} == {None}
    assert told["photo"]["class"] == told[released.names[0]]["class"]
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [{key: value for key, value in row.items() if value is not None} for row in table] == [
        {key: value for key, value in line.items() if value is not None} for line in lines
    ]
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [row["image"] for row in table]
    for row, line in zip(rows, table, strict=True):
        assert row["class"] == (line["class"] or "")
        assert row["error"] == (line["error"] or "")
        if not row["error"]:
            assert float(row["confidence_2"]) == pytest.approx(line["top"][1]["confidence"], abs=1e-6)
            assert (row["class_2"], json.loads(row["set"])) == (line["top"][1]["class"], line["set"])
            assert row["abstain"] == str(line["abstain"]).lower()
            assert json.loads(row["embedding"]) == pytest.approx(line["embedding"], abs=1e-6)


def test_an_output_on_s3_of_images_on_s3_is_the_same(
    released: Any, tmp_path: Path, s3_bucket: str, predict: Any
) -> None:
    store = open_store(s3_bucket)
    for name in released.names[:40]:
        store.upload(f"in/{name}", released.images / name)
    (tmp_path / "t.csv").write_text("uri\n" + "".join(f"{s3_bucket}/in/{name}\n" for name in released.names[:40]))
    assert predict(f"{s3_bucket}/in", "-o", f"{s3_bucket}/out/a.csv", "--part-images", CHUNK) == 0
    assert predict(tmp_path / "t.csv", "-o", tmp_path / "b.csv") == 0
    assert store.read("out/a.csv") == (tmp_path / "b.csv").read_bytes()
    assert [stat.key for stat in store.list("out/")] == ["out/a.csv"]


def test_processes_and_parts_change_no_byte(released: Any, mixed: Path, tmp_path: Path, predict: Any) -> None:
    for number, more in enumerate((["--processes", 1], ["--processes", 3], ["--part-images", CHUNK])):
        assert predict(mixed, "-o", tmp_path / f"{number}.jsonl", "--embedding", *more) == 0
    first = (tmp_path / "0.jsonl").read_bytes()
    assert (tmp_path / "1.jsonl").read_bytes() == first
    assert (tmp_path / "2.jsonl").read_bytes() == first


def test_where_no_image_can_be_read_the_exit_code_says_so(tmp_path: Path, capsys: Any, predict: Any) -> None:
    (tmp_path / "a.png").write_text("no image")
    assert predict(tmp_path / "a.png", tmp_path / "gone.png", "-o", tmp_path / "out.csv") == 2
    assert "2 that could not be read (column error)" in capsys.readouterr().err
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3


def test_an_interrupted_run_goes_on_where_it_was(
    released: Any, tmp_path: Path, capsys: Any, predict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (released.images, "--embedding", "--part-images", CHUNK)
    assert predict(*words, "-o", tmp_path / "calm.parquet") == 0
    bytes_of = work_module.part_bytes
    done: list[int] = []

    def dying(table: Any) -> bytes:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(len(table))
        return bytes_of(table)

    monkeypatch.setattr(work_module, "part_bytes", dying)
    with pytest.raises(KeyboardInterrupt):
        predict(*words, "-o", tmp_path / "rough.parquet")
    assert not (tmp_path / "rough.parquet").exists()
    asked: list[int] = []
    part = work_module.Listing.part

    def asking(listing: Any, number: int) -> Any:
        asked.append(number)
        return part(listing, number)

    monkeypatch.setattr(work_module, "part_bytes", bytes_of)
    monkeypatch.setattr(work_module.Listing, "part", asking)
    (released.images / "later.png").write_bytes(b"arrived since the run began")
    try:
        capsys.readouterr()
        assert predict(*words, "-o", tmp_path / "rough.parquet") == 0
    finally:
        (released.images / "later.png").unlink()
    assert "2 of 3 parts are there already" in capsys.readouterr().err
    assert asked == [2], "nothing is done twice"
    assert (tmp_path / "rough.parquet").read_bytes() == (tmp_path / "calm.parquet").read_bytes()


@pytest.fixture
def begun(released: Any, tmp_path: Path, predict: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output beside which a run was begun."""
    with monkeypatch.context() as patch:
        patch.setattr(work_module, "answer_all", lambda parts, job: iter(()))
        patch.setattr("components.predict.command.answer", lambda work, numbers: iter(()))
        patch.setattr("components.predict.command.join", lambda work: {"images": 1, "abstained": 0, "unreadable": 0})
        patch.setattr("components.predict.command.clear", lambda store: None)
        assert predict(released.images, "-o", tmp_path / "out.csv") == 0
    assert (tmp_path / "out.csv.parts" / "manifest.json").is_file()
    return tmp_path / "out.csv"


@pytest.mark.parametrize("other", ["images", "settings", "release"])
def test_another_run_beside_the_same_output_is_refused_in_a_line(
    other: str, released: Any, tiny_world: Any, begun: Path, tmp_path: Path, capsys: Any, predict: Any
) -> None:
    words: list[object] = [released.images, "-o", begun]
    if other == "images":
        words.insert(0, released.images / released.names[0])
    if other == "settings":
        words += ["--top", 2]
    place = released.place
    if other == "release":
        less = {**THRESHOLDS, "precision": {**THRESHOLDS["precision"], "threshold": 0.5}}
        place = publish_release(tiny_world, str(tmp_path / "store"), thresholds=less)
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([place, *map(str, words)])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"out.csv.parts: was begun with other {other}" in line
    assert line.endswith("name another output, or begin anew (--anew; in a pipeline's settings, anew: true)")
    main([place, *map(str, words), "--anew"])
    assert begun.is_file()
    assert not begun.with_name("out.csv.parts").exists()


def test_what_lies_beside_the_output_and_is_no_run_of_ours_is_one_line(
    begun: Path, released: Any, capsys: Any, predict: Any
) -> None:
    parts = begun.with_name("out.csv.parts")
    (listing,) = parts.glob("*/listing.parquet")
    listing.write_bytes(b"changed")
    capsys.readouterr()
    assert predict(released.images, "-o", begun) == 2
    assert "is not the listing that this run was begun with" in capsys.readouterr().err
    (parts / "manifest.json").write_text('{"format": 7}')
    assert predict(released.images, "-o", begun) == 2
    assert "manifest.json: is not what this version of Gleaner writes" in capsys.readouterr().err
    assert predict(released.images, "-o", "out.txt") == 2
    assert "out.txt: expected a name that ends in .csv, .jsonl" in capsys.readouterr().err


def test_what_else_lies_beside_the_output_stays(released: Any, tmp_path: Path, predict: Any, s3_bucket: str) -> None:
    for place in (str(tmp_path), s3_bucket):
        store = open_store(f"{place}/out.csv.parts")
        store.write("mine/notes.txt", b"of somebody else")
        assert predict(released.images / released.names[0], "-o", f"{place}/out.csv") == 0
        assert [stat.key for stat in store.list()] == ["mine/notes.txt"]


def started(released: Any, folder: Path, name: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "components.predict.command", released.place, str(released.images)]
    more = ["-o", str(folder / name), "--part-images", str(CHUNK), "--processes", "2", "--embedding"]
    return subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ)


def test_runs_killed_at_random_moments_end_in_the_bytes_of_an_undisturbed_one(released: Any, tmp_path: Path) -> None:
    began = time.monotonic()
    assert started(released, tmp_path, "calm.jsonl").wait() == 0
    seconds = time.monotonic() - began
    calm = (tmp_path / "calm.jsonl").read_bytes()
    draws = random.Random(0)
    struck = 0
    for _ in range(8):
        process = started(released, tmp_path, "rough.jsonl")
        try:
            process.wait(draws.uniform(0.3, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            inside = descendants(process.pid)
            process.kill()
            process.wait()
            struck += 1
            assert gone(inside)
        if (tmp_path / "rough.jsonl").exists():
            assert (tmp_path / "rough.jsonl").read_bytes() == calm
            (tmp_path / "rough.jsonl").unlink()
            shutil.rmtree(tmp_path / "rough.jsonl.parts", ignore_errors=True)
    assert struck
    assert started(released, tmp_path, "rough.jsonl").wait() == 0
    assert (tmp_path / "rough.jsonl").read_bytes() == calm
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calm.jsonl", "rough.jsonl"]
