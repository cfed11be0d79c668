"""The first task: all that a form says is checked before anything is done, and each stage is told its settings."""

import json
import os
import shutil
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from components.common import draws, rounds
from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.storage import open_store
from components.labels.store import Answer, LabelStore
from components.plan.form import fill
from components.plan.settings import STAGES, RunSettings
from components.plan.stage import run
from components.releases.bundle import describe, publish
from components.releases.champion import champion, promote
from components.releases.opponent import moved_on

OUTPUTS = ("parts", "slices", *STAGES)


@pytest.fixture
def world(tmp_path: Path) -> RunSettings:
    for number in range(6):
        folder = tmp_path / "images" / ("even", "odd")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 40 * number).save(folder / f"{number}.png")
    return RunSettings(name="shades", source=str(tmp_path / "images"), store=str(tmp_path / "store"))


def planned(form: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What it hands on, by the name of the output."""
    given: dict[str, Any] = {**form, **{name: folder / name for name in OUTPUTS}}
    run(**given)
    return {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in OUTPUTS}


def test_each_stage_is_told_its_settings(world, tmp_path):
    asked = world.model_copy(update={"seed": 5, "threads": 1})
    told = planned({**fill(asked), "release_promote": "approval", "pretrain_epochs": 3}, tmp_path / "out")
    alike = {stage: {key: told[stage].pop(key, None) for key in ("seed", "threads")} for stage in STAGES}
    for stage in ("pretrain", "sample", "warmup", "pseudolabel", "evaluate"):
        assert alike[stage] == {"seed": 5, "threads": 1}
    assert alike["calibrate"] == {"seed": None, "threads": 1}
    assert alike["ingest"] == alike["release"] == {"seed": None, "threads": None}
    assert [part.keys() - told["ingest"].keys() for part in told["parts"]] == [{"parts"}]
    assert "None" not in str(told), "a parameter cannot hold it"
    assert told["release"].pop("run")["pretrain"]["epochs"] == 3
    assert told["release"].pop("run_key")
    for stage in STAGES:
        plain = getattr(world, stage)
        changed = {"pretrain": {"epochs": 3}, "release": {"promote": "approval"}}.get(stage, {})
        assert type(plain).model_validate(told[stage]) == plain.model_copy(update=changed)


def test_a_setting_of_one_stage_leaves_what_the_others_are_told(world, tmp_path):
    """Kubeflow's cache knows a task by its parameters: another gate must not train again. A release records the whole
    run's settings.
    """
    before = planned(fill(world), tmp_path / "a")
    after = planned({**fill(world), "settings": {"evaluate": {"gates": ["accuracy >= 0.5"]}}}, tmp_path / "b")
    assert {name for name in OUTPUTS if before[name] != after[name]} == {"evaluate", "release"}


def test_those_who_embed_are_told_what_they_need_and_no_more(world, tmp_path):
    """Whatever else changes in sample's settings, such as the answers of people, embeds nothing again."""
    plain = planned(fill(world), tmp_path / "a")
    assert plain["slices"] == [{"part": 0, "workers": 1, "threads": 2}]
    other = {"settings": {"sample": {"workers": 3, "balance": True}}, "sample_train_budget": 9}
    three = planned({**fill(world), **other}, tmp_path / "b")
    assert three["slices"] == [{"part": part, "workers": 3, "threads": 2} for part in range(3)]
    assert {name for name in OUTPUTS if plain[name] != three[name]} == {"sample", "slices", "release"}


def test_new_answers_under_an_old_name_are_seen(world, tmp_path):
    answers = tmp_path / "labels.csv"
    form = {**fill(world), "sample_label_access": "file", "sample_labels_file": str(answers)}
    seen = []
    for text in ("id,label\n", "id,label\n" + "ab" * 32 + ",even\n"):
        answers.write_text(text, encoding="utf-8")
        seen.append(planned(form, tmp_path / "out"))
    assert seen[0]["sample"]["labels_version"] != seen[1]["sample"]["labels_version"]
    assert {name for name in OUTPUTS if seen[0][name] != seen[1][name]} == {"sample", "release"}


def test_new_answers_in_the_store_are_seen_and_nothing_but_sample_is_told(world, tmp_path):
    labels = LabelStore(open_store(world.store), world.name)
    form = {**fill(world), "sample_label_access": "store"}
    seen = [planned(form, tmp_path / "out")]
    for image, kind in (("ab" * 32, "class"), ("ab" * 32, "withdrawn")):
        time = datetime(2026, 3, 1, 12, len(seen), tzinfo=UTC)
        labels.append([Answer(image, kind, "even" if kind == "class" else None, "Ada", time, "the page", 1)])
        seen.append(planned(form, tmp_path / "out"))
        assert seen[-1]["sample"]["labels_version"] == labels.version()
    assert seen[0]["sample"]["labels_version"] == ""
    assert len({told["sample"]["labels_version"] for told in seen}) == 3
    for before, after in pairwise(seen):
        assert {name for name in OUTPUTS if before[name] != after[name]} == {"sample", "release"}


def test_the_report_is_told_the_record_of_the_round_before(world, tmp_path):
    store = open_store(world.store)
    labels = LabelStore(store, world.name)
    form = {**fill(world), "sample_label_access": "store"}
    assert planned(form, tmp_path / "out")["evaluate"]["since"] == ""
    keys = [rounds.save(store, world.name, {"format": 1, "round": number}) for number in (1, 2, 3)]
    assert planned(form, tmp_path / "out")["evaluate"]["since"] == "", "this is round 1"
    labels.append([Answer("ab" * 32, "class", "even", "Ada", datetime(2026, 3, 1, tzinfo=UTC), "the page", 2)])
    assert planned(form, tmp_path / "out")["evaluate"]["since"] == keys[1], "this is round 3"


def test_a_release_is_told_what_its_run_was_made_from_and_not_where(world, tmp_path):
    told = [planned(fill(world), tmp_path / "out")["release"]]
    moved = tmp_path / "elsewhere" / "images"
    shutil.copytree(world.source, moved)
    for path in moved.rglob("*.png"):
        os.utime(path, (1, 1))
    places = {"source": str(moved), "store": str(tmp_path / "another")}
    others = [{}, {"seed": 1}, {"evaluate": world.evaluate.model_copy(update={"bins": 10})}, {"name": "tones"}]
    told += [planned(fill(world.model_copy(update={**places, **more})), tmp_path / "out")["release"] for more in others]
    (moved / "odd" / "1.png").rename(moved / "odd" / "7.png")
    told.append(planned(fill(world.model_copy(update=places)), tmp_path / "out")["release"])
    keys = [each["run_key"] for each in told]
    assert keys[0] == keys[1] == keys[4], "place, times and name say nothing of what is learned"
    assert len(set(keys)) == 4
    assert told[0]["run"]["evaluate"].keys().isdisjoint({"champion", "since"})
    assert told[0]["run"].keys() == {"seed", "threads", *STAGES} - {"release"}
    places = {"name": world.name, "source": world.source, "store": world.store}
    read = RunSettings.model_validate({**told[0]["run"], **places})  # as `gleaner release reproduce` reads them
    assert read.pretrain == world.pretrain
    assert str(tmp_path) not in json.dumps(told)


def released(world: RunSettings, key: str, compared_with: str, weights: bytes = b"") -> str:
    """Publish a release of a run of that key, make it the champion, and return its version."""
    store = open_store(world.store)
    files = {"classifier.safetensors": weights}
    made = describe(files, {"model": world.name, "run": {"key": key}, "compared_with": compared_with})
    publish(store, made, files)
    now = champion(store, world.name)
    promote(store, made, expected=now.version if now else None, who="ann", why="", source="a run")
    return made["version"]


def test_a_run_is_compared_with_the_champion_and_never_with_its_own_release(world, tmp_path):
    def told() -> dict[str, Any]:
        return planned(fill(world), tmp_path / "out")

    first = told()
    assert first["evaluate"]["champion"] == ""
    own = released(world, first["release"]["run_key"], "")
    assert told() == first, "its own release is the champion: nothing changed"
    other = released(world, "of another run", own)
    assert told()["evaluate"]["champion"] == other
    assert told()["release"] == first["release"]
    again = released(world, first["release"]["run_key"], other)
    assert told()["evaluate"]["champion"] == other
    changed = planned({**fill(world), "pretrain_epochs": 9}, tmp_path / "out")
    assert changed["evaluate"]["champion"] == again


def test_a_champion_that_cannot_be_read_is_for_evaluate_to_tell(world, tmp_path):
    version = released(world, "of another run", "")
    shutil.rmtree(Path(world.store) / "releases" / world.name / version)
    assert planned(fill(world), tmp_path / "out")["evaluate"]["champion"] == version


def test_a_champion_of_another_model_that_was_promoted_since_is_meant(world):
    store = open_store(world.store)
    assert moved_on(store, world.name, "", "ours") == ""
    same = released(world, "key", "", b"ours")
    assert moved_on(store, world.name, "", sha256_bytes(b"ours")) == ""
    assert moved_on(store, world.name, "", "others") == same
    assert moved_on(store, world.name, same, "others") == same
    later = released(world, "key", same, b"ours")
    assert moved_on(store, world.name, "", "others") == "", "the run of long ago that is made again"
    assert moved_on(store, world.name, same, "others") == later


def test_the_sampler_is_told_the_second_opinion_of_the_round_before(world, tmp_path):
    store = open_store(world.store)
    (tmp_path / "opinion.parquet").write_bytes(b"any")
    keys = [rounds.save_opinion(store, world.name, number, tmp_path / "opinion.parquet") for number in (1, 2, 3)]
    labels = LabelStore(store, world.name)
    labels.append([Answer("ab" * 32, "class", "even", "Ada", datetime(2026, 3, 1, tzinfo=UTC), "the page", 2)])
    form = {**fill(world), "sample_label_access": "store"}
    assert planned(form, tmp_path / "out")["sample"]["opinion"] == keys[1], "this is round 3"
    never = {**form, "settings": {"sample": {"second_opinion": 0}}}
    assert planned(never, tmp_path / "out")["sample"]["opinion"] == ""
    assert planned(fill(world), tmp_path / "out")["sample"]["opinion"] == "", "an oracle's labels come in no rounds"


def test_the_sampler_is_told_the_draws_of_earlier_runs_which_make_no_other_run(world, tmp_path):
    store = open_store(world.store)
    before = planned(fill(world), tmp_path / "out")
    keys = sorted(draws.save(store, world.name, {"images": {"test": [image * 64]}}) for image in "ab")
    draws.save(store, "others", {"images": {}})
    after = planned(fill(world), tmp_path / "out")
    assert (before["sample"]["draws"], after["sample"]["draws"]) == ([], keys)
    assert before["release"] == after["release"], "a run that made a draw, run again, is the same run"


def test_another_table_of_wanted_images_under_an_old_name_is_seen(world, tmp_path):
    table = tmp_path / "asked.csv"
    form = {**fill(world), "settings": {"sample": {"candidates_from": str(table)}}}
    seen = []
    for image in ("ab", "cd"):
        table.write_text(f"id\n{image * 32}\n", encoding="utf-8")
        seen.append(planned(form, tmp_path / "out"))
    assert seen[0]["sample"]["candidates_version"] != seen[1]["sample"]["candidates_version"]
    assert {name for name in OUTPUTS if seen[0][name] != seen[1][name]} == {"sample", "release"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"sample_strategy": "typiclus"}, "form: sample.strategy: got 'typiclus'"),
        ({"settings": {"warmup": {"stepz": 1}}}, "form: settings: unknown key 'warmup.stepz'"),
        ({"source": "nowhere"}, "nowhere"),
        ({"settings": {"sample": {"candidates_from": "nowhere.csv"}}}, "sample.candidates_from: nowhere.csv does not"),
        (
            {"sample_label_access": "file", "sample_labels_file": "nowhere.csv"},
            "sample.labels_file: nowhere.csv does not exist",
        ),
        ({"sample_label_access": "file", "sample_labels_file": __file__}, f"{__file__}:1: "),
    ],
    ids=str,
)
def test_a_mistake_anywhere_ends_before_anything_is_done(world, tmp_path, change, line):
    with pytest.raises(BadInputError) as told:
        planned({**fill(world), **change}, tmp_path / "out")
    assert line in str(told.value)
    assert not any((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
    assert not any((tmp_path / "store").rglob("*")) if (tmp_path / "store").exists() else True


def test_a_store_that_is_not_there_is_one_line(world, tmp_path, s3_bucket):
    with pytest.raises(BadInputError, match="there is no bucket 'no-such-bucket'"):
        planned({**fill(world), "store": "s3://no-such-bucket/store"}, tmp_path / "out")
