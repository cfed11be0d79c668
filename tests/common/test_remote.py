"""Artifacts in a real object store: whole or not at all, verified, and fetched and delivered around a stage."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from components.common.errors import BadInputError
from components.common.files import sha256_tree
from components.common.remote import MANIFEST, Uri, download, local_paths, made, once_kept, upload
from components.common.settings import Settings
from components.common.storage import open_store

ROOT = Path(__file__).parents[2]
OUTPUTS = {"model"}


class Knobs(Settings):
    """What a stage is set by."""

    depth: int = 1


def folder(path: Path, **files: str) -> Path:
    for name, text in {"a.txt": "one", "deep/er/b.txt": "two", **files}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def names(uri: str) -> set[str]:
    return {Path(stat.key).name for stat in open_store(uri).list()}


@pytest.mark.parametrize("kind", ["s3", "folder"])
def test_what_is_uploaded_comes_back_whole(kind, s3_bucket, tmp_path):
    root = s3_bucket if kind == "s3" else str(tmp_path / "store")
    source = folder(tmp_path / "in")
    upload(source, f"{root}/x", {"accuracy": 0.9})
    assert download(f"{root}/x", tmp_path / "out") == {"accuracy": 0.9}
    assert sha256_tree(tmp_path / "out") == sha256_tree(source)
    upload(source / "a.txt", f"{root}/y")
    assert download(f"{root}/y", tmp_path / "file") == {}
    assert (tmp_path / "file").read_text() == "one"


def test_a_new_artifact_replaces_the_old_one_and_what_it_held(s3_bucket, tmp_path):
    upload(folder(tmp_path / "old", **{"c.txt": "gone"}), f"{s3_bucket}/x")
    upload(folder(tmp_path / "new", **{"a.txt": "other"}), f"{s3_bucket}/x")
    download(f"{s3_bucket}/x", tmp_path / "out")
    assert sha256_tree(tmp_path / "out") == sha256_tree(tmp_path / "new")
    assert names(f"{s3_bucket}/x") == {MANIFEST, "a.txt", "b.txt"}


def test_an_upload_that_broke_off_leaves_the_old_artifact_or_none(s3_bucket, tmp_path, monkeypatch):
    old = folder(tmp_path / "old")
    upload(old, f"{s3_bucket}/x")
    store = type(open_store(s3_bucket))
    # the moment before the manifest
    monkeypatch.setattr(store, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    for place in ("x", "y"):
        with pytest.raises(KeyboardInterrupt):
            upload(folder(tmp_path / "new", **{"a.txt": "other"}), f"{s3_bucket}/{place}")
    download(f"{s3_bucket}/x", tmp_path / "out")
    assert sha256_tree(tmp_path / "out") == sha256_tree(old)
    with pytest.raises(
        BadInputError, match=r"s3://.*/y: holds no manifest.json; expected an artifact that a stage has written"
    ):
        download(f"{s3_bucket}/y", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_changed_byte_and_a_lost_object_are_seen(s3_bucket, tmp_path):
    upload(folder(tmp_path / "in"), f"{s3_bucket}/x")
    store = open_store(f"{s3_bucket}/x")
    (key,) = [stat.key for stat in store.list() if stat.key.endswith("a.txt")]
    store.write(key, b"onE")
    with pytest.raises(BadInputError, match=r"a\.txt: its sha256 is"):
        download(f"{s3_bucket}/x", tmp_path / "out")
    store.delete(key)
    with pytest.raises(BadInputError, match=r"a\.txt: not there"):
        download(f"{s3_bucket}/x", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "is not the list of an artifact's files"),
        (b"[1]", "is not the list"),
        (b'{"format": 9}', "is not the list"),
        (
            b'{"format": 1, "file": false, "files": {"../x": {}}, "about": {}}',
            "names '../x', which is outside the artifact",
        ),
    ],
)
def test_a_strange_manifest_is_one_line(tmp_path, body, said):
    open_store(str(tmp_path / "s")).write(MANIFEST, body)
    with pytest.raises(BadInputError, match=said) as error:
        download(str(tmp_path / "s"), tmp_path / "out")
    assert "\n" not in str(error.value)


def test_a_stage_sees_paths_and_its_outputs_are_kept_before_anything_is_thrown_away(s3_bucket, tmp_path):
    upload(folder(tmp_path / "in"), f"{s3_bucket}/data")
    values = {
        "dataset": Uri(f"{s3_bucket}/data"),
        "store": s3_bucket,
        "settings": Knobs(),
        "model": Uri(f"{s3_bucket}/model"),
    }
    kept: list[bool] = []
    with local_paths(values, OUTPUTS, True) as (paths, about):
        assert sha256_tree(paths["dataset"]) == sha256_tree(tmp_path / "in")
        assert (paths["store"], paths["settings"]) == (s3_bucket, Knobs())
        paths["model"].write_text("weights")
        once_kept(lambda: kept.append(made(values, OUTPUTS)))
        assert kept == []
        about["model"] = {"accuracy": 0.9}
    assert kept == [True]
    assert not paths["dataset"].exists()
    assert download(f"{s3_bucket}/model", tmp_path / "model")["metadata"] == {"accuracy": 0.9}
    once_kept(lambda: kept.append(False))
    assert kept == [True, False]  # outside, at once


def test_only_one_process_writes_and_a_failed_stage_nothing(s3_bucket, tmp_path):
    values = {"dataset": tmp_path, "settings": Knobs(), "model": Uri(f"{s3_bucket}/model")}
    with local_paths(values, OUTPUTS, False) as (paths, _):
        paths["model"].write_text("weights")
    with suppress(KeyError), local_paths(values, OUTPUTS, True) as (paths, _):
        paths["model"].write_text("half")
        raise KeyError
    assert names(s3_bucket) == set()


def test_work_is_done_where_equal_inputs_and_settings_made_it(s3_bucket, tmp_path):
    values = {"dataset": folder(tmp_path / "in"), "settings": Knobs(), "model": Uri(f"{s3_bucket}/model")}
    assert not made(values, OUTPUTS)
    with local_paths(values, OUTPUTS, True) as (paths, _):
        paths["model"].write_text("weights")
    assert made(values, OUTPUTS)
    assert not made({**values, "settings": Knobs(depth=2)}, OUTPUTS)
    folder(tmp_path / "in", **{"a.txt": "other"})
    assert not made(values, OUTPUTS)
    assert not made({**values, "model": tmp_path / "model"}, OUTPUTS)


def test_any_stage_takes_uris(s3_bucket, tmp_path):
    (tmp_path / "before").write_text("xyz")
    upload(tmp_path / "before", f"{s3_bucket}/before")
    flags = {
        "before": f"{s3_bucket}/before",
        "settings": '{"say": "hi"}',
        "after": f"{s3_bucket}/after",
        "figures": str(tmp_path / "figures"),
    }

    def toy(**changes: str) -> "subprocess.CompletedProcess[str]":
        words = (word for name, value in {**flags, **changes}.items() for word in (f"--{name}", value))
        return subprocess.run(
            [sys.executable, "-m", "tests.toy", *words],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TOY_JOURNAL": str(tmp_path / "journal")},
        )

    done = toy()
    assert done.returncode == 0, done.stderr
    assert download(f"{s3_bucket}/after", tmp_path / "after")["metadata"] == {"said": "hi"}
    assert (tmp_path / "after").read_text() == "xh"
    missing = toy(before=f"{s3_bucket}/nothing")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)
    assert f"{s3_bucket}/nothing: holds no manifest.json" in missing.stderr
    assert json.loads(open_store(f"{s3_bucket}/after").read(MANIFEST))["file"] is True
