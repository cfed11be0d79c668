"""All eight stages on 400 real digits, by the commands that a person types: twice at once, from one seed.

One run keeps its store in a folder, the other on the S3 server that a laptop has for a cluster's.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from components.common.files import read_json, sha256_file
from components.common.storage.folder import LOCK
from components.ingest.example import write_example
from components.plan.settings import STAGES
from pipelines.configuration.resources import TASKS

ROOT = Path(__file__).parents[1]
CONFIG = """
version: 2
name: tiny
source: photos
store: store
threads: 1
ingest: {mode: L, processes: 1}
pretrain: &small
  architecture: resnet9
  width: 4
  image_size: 8
  epochs: 2
  batch_size: 64
  loader: torch
  precision: float32
  augment: {flip_horizontal: 0, crop: 0.7}
sample: {train_budget: 40, validation_budget: 20, calibration_budget: 20}
warmup: {head_steps: 40, steps: 20, precision: float32, augment: {flip_horizontal: 0, crop: 0.7}}
pseudolabel: {steps: 10, precision: float32, augment: {flip_horizontal: 0, crop: 0.7}}
evaluate: {gates: [accuracy not below warmup by more than 100 points], map_points: 60, mistakes: 4}
"""
PLACES = ("store: store", "store: s3://gleaner/tiny\nobject_store: objects")
DUMP = """
import hashlib, json
from components.common.storage import open_store
store = open_store("s3://gleaner/tiny")
print(json.dumps({entry.key: hashlib.sha256(store.read(entry.key)).hexdigest() for entry in store.list()}))
"""
SAME = {
    "ingest": ["dataset"],
    "pretrain": ["encoder"],
    "sample": ["embeddings", "candidates", "labels"],
    "warmup": ["warm"],
    "pseudolabel": ["classifier"],
    "calibrate": ["calibration"],
}


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def gleaner(where: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipelines", *words]
    return subprocess.run(command, cwd=where, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)


def record(where: Path) -> dict[str, Any]:
    """run.json of the latest run."""
    return json.loads(max(where.glob(".gleaner/runs/*/run.json"), key=lambda path: path.stat().st_mtime_ns).read_text())


def closing_table(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


@pytest.fixture(scope="module")
def worlds(tmp_path_factory) -> list[tuple[Path, str]]:
    """Two folders with the same photos, each with its finished run and what that printed."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    write_example("digits", folders[0] / "all")
    for folder, place in zip(folders, PLACES, strict=True):
        for number in range(10):
            (folder / "photos" / str(number)).mkdir(parents=True)
            for image in sorted((folders[0] / "all" / str(number)).iterdir())[:40]:
                shutil.copyfile(image, folder / "photos" / str(number) / image.name)
        (folder / "tmp").mkdir()
        (folder / "tiny.yaml").write_text(CONFIG.replace(PLACES[0], place))
    command = [sys.executable, "-m", "pipelines", "run", "tiny.yaml"]
    runs = [
        subprocess.Popen(
            command,
            cwd=folder,
            env={**ENVIRONMENT, "TMPDIR": str(folder / "tmp")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    said = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], [error for _, error in said]
    return [(folder, table) for folder, (table, _) in zip(folders, said, strict=True)]


def test_the_closing_table(worlds):
    folder, text = worlds[0]
    table = closing_table(text)
    assert table["images"].startswith("400 (")
    assert table["labels used"].startswith("40 train, 20 validation, 20 calibration, ")
    assert table["labels used"].endswith("(answered by: oracle)")
    assert {
        "accuracy of warm-up",
        "accuracy, final",
        "calibration error",
        "gate accuracy not below warmup by more than 100 points",
    } <= table.keys()
    assert "promoted to champion at store/releases/tiny/" in table["release"]
    for name in ("report", "data report", "contact sheet"):
        assert "<html" in (folder / table[name]).read_text(encoding="utf-8")[:2000].lower()
    assert [stage["name"] for stage in record(folder)["stages"]] == TASKS


def test_nothing_is_left_in_the_temporary_folder(worlds):
    assert [list((folder / "tmp").iterdir()) for folder, _ in worlds] == [[], []]


def test_one_seed_gives_equal_bytes(worlds):
    one, two = ({stage["name"]: stage["outputs"] for stage in record(folder)["stages"]} for folder, _ in worlds)
    for stage, names in SAME.items():
        for name in names:
            assert one[stage][name]["metadata"]["digest"] == two[stage][name]["metadata"]["digest"], f"{stage}: {name}"
    for stage in STAGES:
        assert one[stage].get("metrics", {}).get("metadata") == two[stage].get("metrics", {}).get("metadata")
    plain = worlds[0][0] / "store"
    files = {
        path.relative_to(plain).as_posix(): sha256_file(path)
        for path in plain.rglob("*")
        if path.is_file() and path.name != LOCK and "listings" not in path.parts  # named after the source's place
    }
    objects = json.loads(gleaner(worlds[1][0], "store", "objects", sys.executable, "-c", DUMP).stdout)
    assert any(key.startswith("releases/tiny/") for key in files)
    objects = {key: digest for key, digest in objects.items() if "/listings/" not in key}
    assert files.keys() == objects.keys()
    dated = {key for key in files if key.endswith("/champion.json") or "/history/" in key}  # say when they were decided
    assert len(dated) == 3
    for key in files.keys() - dated:  # shards, labels, candidates and the release, in a folder or on S3
        assert files[key] == objects[key], key


@pytest.mark.parametrize("world", [0, 1])
def test_nothing_changed_nothing_runs(worlds, world):
    folder, first = worlds[world]
    again = gleaner(folder, "run", "tiny.yaml")
    assert again.returncode == 0, again.stderr
    assert [stage["seconds"] for stage in record(folder)["stages"]] == [None] * len(TASKS)
    same = (
        "labels used",
        "accuracy of warm-up",
        "accuracy, final",
        "calibration error",
        "release",
        "report",
        "contact sheet",
    )
    assert [closing_table(again.stdout)[name] for name in same] == [closing_table(first)[name] for name in same]
    assert "\x1b" not in again.stdout + again.stderr


def test_only_what_changed_runs(worlds):
    folder, _ = worlds[1]
    again = gleaner(folder, "run", "tiny.yaml", "release.promote=approval")
    assert again.returncode == 0, again.stderr
    assert [stage["name"] for stage in record(folder)["stages"] if stage["seconds"] is not None] == [
        "plan",  # reads the form
        "release",
    ]
    assert "promoted to champion" in closing_table(again.stdout)["release"], "the same model, which is the champion"
    next((folder / "photos" / "0").iterdir()).touch()  # the source may have changed; its bytes did not
    assert gleaner(folder, "run", "tiny.yaml").returncode == 0
    assert [stage["name"] for stage in record(folder)["stages"] if stage["seconds"] is not None] == [
        "plan",
        "pack",
        "ingest",
    ]


def test_another_model_is_compared_with_the_champion_and_never_with_itself(worlds):
    folder, first = worlds[0]
    champion = closing_table(first)["release"].partition(",")[0]
    assert "against champion" not in first, "there was none"
    told = []
    for again in (False, True):
        done = gleaner(folder, "run", "tiny.yaml", "pseudolabel.steps=11")
        assert done.returncode == 0, done.stderr
        told.append(closing_table(done.stdout)[f"against champion {champion}"])
        cached = [stage["name"] for stage in record(folder)["stages"] if stage["seconds"] is None]
        assert cached == TASKS if again else "warmup" in cached
        release = closing_table(done.stdout)["release"].partition(",")[0]
        assert release != champion
    assert told[0] == told[1]
    assert read_json(folder / "store" / "releases" / "tiny" / release / "release.json")["compared_with"] == champion


def test_a_lost_release_is_published_again(worlds):
    folder, _ = worlds[0]
    shutil.rmtree(folder / "store" / "releases")
    again = gleaner(folder, "run", "tiny.yaml")
    assert [stage["name"] for stage in record(folder)["stages"] if stage["seconds"] is not None] == ["release"]
    assert (folder / closing_table(again.stdout)["release"].rpartition(" at ")[2] / "release.json").is_file()


@pytest.mark.parametrize("world", [0, 1])
def test_the_command_of_the_closing_table_reads_the_release(worlds, world):
    folder, text = worlds[world]
    image = next((folder / "photos" / "3").iterdir())
    program, *words = closing_table(text)["classify with"].replace("IMAGE", str(image)).split()
    assert program == "gleaner"
    answer = gleaner(folder, *words, "--json")
    assert answer.returncode == 0, answer.stderr
    assert '"confidence"' in answer.stdout


@pytest.mark.parametrize("world", [0, 1])
def test_after_what_nothing_names_is_removed_nothing_runs_again_and_the_release_reads(worlds, world):
    folder, _ = worlds[world]
    assert gleaner(folder, "run", "tiny.yaml").returncode == 0
    long_ago = time.time() - 60 * 86400
    for path in [*folder.glob(".gleaner/**/*"), *folder.glob("store/**/*")]:
        os.utime(path, (long_ago, long_ago))
    place = ["store"] if world == 0 else ["s3://gleaner/tiny", "--object-store", "objects"]
    removed = gleaner(folder, "store", "gc", *place, "--keep-versions", "1", "--delete")
    assert removed.returncode == 0, removed.stderr
    again = gleaner(folder, "run", "tiny.yaml")
    assert again.returncode == 0, again.stderr
    assert [stage["seconds"] for stage in record(folder)["stages"]] == [None] * len(TASKS)
    image = next((folder / "photos" / "3").iterdir())
    _, *words = closing_table(again.stdout)["classify with"].replace("IMAGE", str(image)).split()
    assert gleaner(folder, *words).returncode == 0


def test_a_bad_source_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    failed = gleaner(tmp_path, "run", "tiny.yaml", "source=nowhere")
    assert failed.returncode == 2
    assert failed.stdout == ""
    line, log = failed.stderr.splitlines()[-2:]
    assert line.startswith("error: plan: nowhere: ")
    assert Path(log.removeprefix("log: ")).read_text().rstrip().endswith(line)
    assert "Traceback" not in failed.stderr
