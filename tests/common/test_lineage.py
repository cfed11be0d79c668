"""Stages find the dataset and the labels that their inputs were made from: the right ones, whole, or one line."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.calibrate.stage import run as run_calibrate
from components.common.artifacts import INDEX, load_dataset, load_embeddings, save_about, save_dataset, save_embeddings
from components.common.cli import main, outputs_of
from components.common.data.identity import ROWS, id_of, version_id
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_tree, write_json
from components.common.lineage import FILES, complete, fetch_dataset
from components.common.storage import open_store
from components.warmup.stage import run as run_warmup
from tests import stages, tiny

NEVER = "0" * 64


@pytest.fixture
def world(tiny_world: tiny.World, tmp_path: Path) -> tiny.World:
    """The tiny world with a store of its own, to be damaged."""
    shutil.copytree(tiny_world.store, tmp_path / "store")
    return tiny_world._replace(store=str(tmp_path / "store"))


def version(world: tiny.World) -> Path:
    return Path(world.store) / "datasets" / "digits" / world.data.id


def calibrated(world: tiny.World, folder: Path, *more: str) -> dict[str, Any]:
    """Run `calibrate` as its pod does; returns what Kubeflow is told of its outputs."""
    places = {"calibration": folder / "calibration", "metrics": folder / "metrics"}
    artifacts = {name: {"artifacts": [{"uri": str(path)}]} for name, path in places.items()}
    told = json.dumps({"outputs": {"artifacts": artifacts, "outputFile": str(folder / "executor.json")}})
    flags = {"classifier": world.classifier, "store": world.store, "threads": 1, "executor-input": told, **places}
    main(run_calibrate, [*(word for name, value in flags.items() for word in (f"--{name}", str(value))), *more])
    written = read_json(folder / "executor.json")["artifacts"]
    return {name: entry["artifacts"][0]["metadata"] for name, entry in written.items()}


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_what_is_left_out_is_what_the_inputs_were_made_from(kind, world, s3_bucket, tmp_path):
    if kind == "s3":
        for path in (path for path in Path(world.store).rglob("*") if path.is_file()):
            open_store(s3_bucket).upload(path.relative_to(world.store).as_posix(), path)
        shutil.rmtree(world.store)
        world = world._replace(store=s3_bucket)
    calibrated(world, tmp_path / "named", "--dataset", str(world.dataset), "--labels", str(world.labels))
    told = calibrated(world, tmp_path / "found")
    assert read_json(tmp_path / "found" / "calibration" / "calibration.json")["images"] == len(
        world.rows["calibration"]
    )
    assert sha256_tree(tmp_path / "found" / "calibration") == sha256_tree(tmp_path / "named" / "calibration")
    labels = read_json(world.labels / "labels.json")["sha256"]
    assert (told["calibration"]["dataset"], told["calibration"]["labels"]) == (world.data.id, labels)


def test_the_dataset_is_there_for_as_long_as_the_stage_runs(world):
    values = {"classifier": world.classifier, "store": world.store}
    with complete(values, {"dataset", "labels", "classifier"}) as paths:
        assert load_dataset(paths["dataset"]) == load_dataset(world.dataset)
        assert paths["labels"] == world.classifier
    assert not paths["dataset"].exists()
    with complete(values, {"classifier"}) as paths:
        assert paths is values


def test_nothing_is_made_up_for_a_stage_whose_inputs_tell_nothing(tmp_path, capsys):
    outputs = {name: tmp_path / name for name in outputs_of(run_warmup)}
    flags = {"encoder": tmp_path, "embeddings": tmp_path, "store": tmp_path, "seed": 0, "threads": 1, **outputs}
    with pytest.raises(SystemExit):
        main(run_warmup, [word for name, value in flags.items() for word in (f"--{name}", str(value))])
    assert "the following arguments are required: --labels" in capsys.readouterr().err


class Damage(NamedTuple):
    do: Callable[[Path], Any]  # to the folder of the version
    said: str


def another(folder: Path) -> None:
    table = pq.read_table(folder / "index.parquet")
    pq.write_table(table.set_column(6, "split", pa.array(["train"] * len(table))), folder / "index.parquet")


@pytest.mark.parametrize(
    "damage",
    [
        Damage(shutil.rmtree, "/dataset.json: is gone, and the inputs were made from this version of dataset digits; "),
        Damage(lambda folder: (folder / "index.parquet").unlink(), "/index.parquet: is gone"),
        Damage(another, "expected dataset digits of id "),
        Damage(lambda folder: (folder / "index.parquet").write_bytes(b"PAR1"), "found nothing that can be read ("),
        Damage(lambda folder: (folder / "dataset.json").write_text("{"), "found nothing that can be read ("),
        Damage(lambda folder: write_json(folder / "dataset.json", {"format": 1}), "found nothing that can be read ("),
        Damage(lambda folder: write_json(folder / "dataset.json", {"format": 2}), "format 2 is not one"),
    ],
    ids=["removed", "index gone", "other rows", "no table", "no JSON", "no dataset", "of a later version"],
)
def test_a_version_that_is_gone_or_changed_is_one_line(damage, world, tmp_path, capsys):
    damage.do(version(world))
    with pytest.raises(SystemExit) as ended:
        calibrated(world, tmp_path / "out")
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert line.startswith(f"error: calibrate: {world.store}/datasets/digits/{world.data.id}")
    assert damage.said in line
    assert line.endswith(
        f"; restore it, or remove datasets/digits/{world.data.id}/ and start a run on the same source, which makes a "
        "version again"
    )
    assert "gleaner-" not in line.replace(world.store, "")  # no temporary folder


def record(folder: Path, kind: str, **facts: Any) -> Path:
    folder.mkdir(exist_ok=True)
    save_about(folder, kind, tiny.SPEC, **facts)
    return folder


def test_inputs_of_different_datasets_or_labels_are_one_line(world, tmp_path):
    encoder = record(tmp_path / "encoder", "encoder", dataset=NEVER, dataset_name="digits")
    values: dict[str, Any] = {"encoder": encoder, "embeddings": world.embeddings, "store": world.store}
    with (
        pytest.raises(BadInputError, match=f"made from dataset {world.data.id[:12]}, but .*encoder.json from 0000"),
        complete(values, {"dataset", "encoder", "embeddings"}),
    ):
        pass
    warm = record(tmp_path / "warm", "classifier", **world.data.reference(), labels=NEVER)
    values = {"classifier": world.classifier, "warm": warm, "store": world.store}
    with (
        pytest.raises(BadInputError, match=r"made from labels .*, but .* from 0000.*; expected inputs of one run"),
        complete(values, {"dataset", "labels", "warm", "classifier"}),
    ):
        pass


def test_an_input_of_an_earlier_version_is_one_line(world, tmp_path):
    values: dict[str, Any] = {"store": world.store}
    for facts in ({}, {"dataset": world.data.id}):
        values["encoder"] = record(tmp_path / "encoder", "encoder", **facts)
        with (
            pytest.raises(BadInputError, match=r"does not name the dataset .* with --dataset"),
            complete(values, {"dataset", "encoder"}),
        ):
            pass


def test_labels_that_were_changed_are_one_line(world, tmp_path, capsys):
    shutil.copytree(world.classifier, tmp_path / "classifier")
    table = pq.read_table(tmp_path / "classifier" / "labels.parquet")
    pq.write_table(table.slice(1), tmp_path / "classifier" / "labels.parquet")
    with pytest.raises(SystemExit):
        calibrated(world._replace(classifier=tmp_path / "classifier"), tmp_path)
    (line,) = capsys.readouterr().err.splitlines()
    assert "labels.parquet: its sha256 is " in line


def test_another_dataset_gives_other_artifacts_all_the_way(tiny_world, tmp_path):
    """Caches know a stage's inputs by their digests: with the same pixels under another id, each must be another."""
    index = tiny_world.data.index.set_column(
        INDEX.get_field_index("source"), "source", pa.array(["elsewhere"] * tiny_world.data.index.num_rows)
    )
    changed = replace(tiny_world.data, index=index)
    changed = replace(changed, id=id_of(changed))
    vectors = load_embeddings(tiny_world.embeddings, tiny_world.data)
    digests = []
    for number, data in enumerate((tiny_world.data, changed)):
        folder = tmp_path / str(number)
        save_dataset(folder / "dataset", data)
        here = tiny_world._replace(dataset=folder / "dataset", data=data, embeddings=folder / "embeddings")
        save_embeddings(folder / "embeddings", vectors, data)
        stages.pretrain(here, folder, epochs=0)
        stages.warmup(here, folder, head_steps=1, steps=1)
        stages.pseudolabel(here._replace(warm=folder / "warm"), folder, steps=0)
        calibrated(here._replace(classifier=folder / "classifier"), folder, "--dataset", str(here.dataset))
        names = ("encoder", "embeddings", "warm", "classifier", "calibration")
        digests.append({name: sha256_tree(folder / name) for name in names})
    assert [name for name in digests[0] if digests[0][name] == digests[1][name]] == []


def test_an_id_is_the_digest_of_the_rows_in_pieces(tiny_world):
    rows = tiny_world.data.index
    many = pa.concat_tables([rows] * (ROWS // rows.num_rows + 1))
    assert ROWS < many.num_rows < 2 * ROWS
    digest = sha256()
    for part in (many.slice(0, ROWS), many.slice(ROWS)):
        digest.update((json.dumps(part.drop_columns("text").to_pydict(), sort_keys=True, indent=1) + "\n").encode())
    data = replace(tiny_world.data, index=many)
    assert id_of(data) == version_id(digest.hexdigest(), data.shards, data.classes, data.mode)
    told = many.set_column(INDEX.get_field_index("text"), "text", pa.array(["a", *[None] * (many.num_rows - 1)]))
    assert id_of(replace(data, index=told)) != id_of(data)


def test_only_what_stages_read_is_fetched(world, tmp_path):
    (version(world) / "sources.parquet").write_bytes(b"large")
    fetch_dataset("digits", world.data.id, open_store(world.store), tmp_path / "copy")
    assert {path.name for path in (tmp_path / "copy").iterdir()} == set(FILES)
