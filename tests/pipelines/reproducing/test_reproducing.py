"""A release of the tiny world, run again by the real commands: equal to the byte, or what differs and why."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.common.errors import BadInputError
from components.common.files import json_text, read_json, write_json
from components.common.storage import open_store
from components.releases.bundle import describe, folder_of, publish, version_of
from pipelines.__main__ import main
from pipelines.local.progress import Lines
from pipelines.reproducing.commands import main as reproduce
from pipelines.reproducing.compare import causes, compare, timed
from pipelines.reproducing.inputs import Inputs
from pipelines.reproducing.rerun import commands, rerun
from tests import tiny
from tests.releases.made import publish_release

SMALL = {"augment": {"crop": 0.7, "flip_horizontal": 0}, "precision": "float32"}
NETWORK = {"architecture": "resnet9", "width": 4, "image_size": 8, "min_spread": 0.0, "loader": "torch"}
SETTINGS: dict[str, Any] = {
    "seed": 3,
    "threads": 1,
    "pretrain": {**SMALL, **NETWORK, "epochs": 1, "batch_size": 64},
    "warmup": {**SMALL, "head_steps": 20, "steps": 5},
    "pseudolabel": {**SMALL, "steps": 5, "batch_size": 16},
    "evaluate": {"map_points": 50, "saliency": 0},
}


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release in a store with all that it was made from, by the commands of the pipeline."""
    folder = tmp_path_factory.mktemp("released")
    world = tiny.build(folder / "world", images=500)
    (folder / "nothing").mkdir()
    write_json(folder / "nothing" / "metrics.json", {"provenance": {"evaluate": {"settings": SETTINGS["evaluate"]}}})
    rows = np.arange(0, world.data.index.num_rows, 2)
    before = tiny.earlier(world.data, rows, world.store, folder / "before")  # the champion's dataset, which has grown
    champion = publish_release(world._replace(data=before), world.store).rpartition("/")[2]
    about = {
        "model": "digits",
        "dataset_name": "digits",
        "threads": 1,
        "run": {"key": "key", "settings": SETTINGS},
        "compared_with": champion,
    }
    inputs = Inputs(about, folder / "nothing", world.labels, world.dataset, Path(world.store))
    with (folder / "log").open("w") as log:
        made = rerun(inputs, folder / "first", [], Lines(log))
    assert made["compared_with"] == champion
    return Path(world.store) / folder_of(made)


def run(words: list[str]) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(["release", "reproduce", *words])
    return ended.value.code


def test_a_release_is_made_again_to_the_byte_and_the_store_is_only_read(released, tmp_path, capsys):
    store = released.parents[2]
    before = sorted((path, path.stat().st_mtime_ns) for path in store.rglob("*"))
    assert run([str(released), "--keep", str(tmp_path / "kept")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line["by"] for line in read_json(released / "metrics.json")["slices"]} >= {"arrived"}
    files = read_json(released / "release.json")["files"]
    assert [line.split() for line in lines[:-1]] == [[name, "equal"] for name in sorted(files)]
    assert lines[-1] == f"release {released.name}: made again, all {len(files)} files equal to the byte"
    assert sorted((path, path.stat().st_mtime_ns) for path in store.rglob("*")) == before
    again = tmp_path / "kept" / "store" / "releases" / "digits" / released.name
    assert (again / "release.json").read_bytes() == (released / "release.json").read_bytes()
    assert (again / "SHA256SUMS").read_bytes() == (released / "SHA256SUMS").read_bytes()


def test_with_another_setting_it_says_what_differs_and_where_it_is_kept(released, capsys, temporary):
    assert run([str(released), "pseudolabel.steps=6"]) == 2
    said = capsys.readouterr()
    lines = {line.split("  ")[0].strip(): line for line in said.out.splitlines()}
    assert "equal" in lines["labels.parquet"]
    assert "settings.steps 5 then, 6 now" in lines["classifier.json"]
    assert "sha256 " in lines["model.onnx"]
    assert "changed setting: pseudolabel.steps=6" in said.out
    assert "code, libraries and processor are those of then" in said.out
    kept = Path(said.err.splitlines()[-1].removeprefix("kept in "))
    assert kept.is_relative_to(temporary)
    assert list(kept.glob("runs/*/logs/pseudolabel.log"))


def test_what_it_was_made_with_then_and_now_is_compared(released, tmp_path):
    (tmp_path / "again").mkdir()
    for path in released.iterdir():
        shutil.copyfile(path, tmp_path / "again" / path.name)
    assert causes(released, tmp_path / "again") == []
    assert not any(file.differs for file in compare(released, tmp_path / "again", []))
    said = read_json(released / "provenance.json")
    definition = said["predicate"]["buildDefinition"]
    definition["internalParameters"]["processor"] = "a slide rule"
    for each in definition["resolvedDependencies"]:
        if each["name"] == "torch":
            each["annotations"]["version"] = "1.0"
        if each["name"] == "gleaner":
            each["digest"]["gleanerCode"] = "0" * 64
    write_json(tmp_path / "again" / "provenance.json", said)
    (tmp_path / "again" / "probe.json").unlink()
    assert [line.split(":")[0] for line in causes(released, tmp_path / "again")] == ["code", "processor", "torch"]
    assert causes(released, tmp_path / "again")[1].endswith("then, a slide rule now")
    differs = {file.name: file.differs for file in compare(released, tmp_path / "again", []) if file.differs}
    assert [*differs] == ["probe.json", "provenance.json"]
    assert differs["probe.json"] == "none was made this time"


def test_gates_on_a_time_are_told(tmp_path):
    write_json(tmp_path / "gate.json", {"gates": [{"name": "ece"}, {"name": "latency_ms_p95"}]})
    assert timed(tmp_path) == ["latency_ms_p95"]


def test_a_mistake_is_one_line(released, tmp_path, capsys):
    store = open_store(str(tmp_path / "store"))
    publish(store, made := describe({}, {"model": "m", "run": {"key": "", "settings": {}}}), {})
    assert run([f"{tmp_path}/store/{folder_of(made)}"]) == 2
    assert "does not say with which settings it was made" in capsys.readouterr().err
    content = {"format": 1, "model": "m", "files": {}}
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "release.json").write_text(json_text({**content, "version": version_of(content)}))
    assert run([str(tmp_path / "old")]) == 2
    assert "does not say with which settings it was made" in capsys.readouterr().err
    shutil.copytree(released, tmp_path / "copy")
    assert run([str(tmp_path / "copy")]) == 2
    assert "lies outside of a store; name the store of its dataset" in capsys.readouterr().err
    assert run([str(tmp_path / "copy"), "--store", str(tmp_path)]) == 2
    assert "dataset.json: is gone" in capsys.readouterr().err
    assert run([str(released), "pseudolabel.stesp=6"]) == 2
    assert "unknown key 'pseudolabel.stesp'; did you mean 'pseudolabel.steps'?" in capsys.readouterr().err
    assert run([]) == 2
    assert "got 0 places, expected one release, or -c CONFIG" in capsys.readouterr().err
    with pytest.raises(BadInputError, match="is there already"):
        reproduce([str(released), "--keep", str(tmp_path)])


def test_every_stage_after_the_dataset_is_run_by_its_own_command():
    modules = {stage: module for stage, module, _ in commands()}
    assert modules.pop("embeddings") == "components.sample.embed.whole"
    assert all(module == f"components.{stage}" for stage, module in modules.items())
    assert [*modules] == ["pretrain", "warmup", "pseudolabel", "calibrate", "evaluate", "release"]
