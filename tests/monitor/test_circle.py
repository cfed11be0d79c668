"""The whole circle on real digits that turn and grow by a class: served, logged, watched, labelled, trained, promoted.

Here with a repository that a cluster would follow, and with the Kubeflow run that the same alarm would start.
"""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from components.common.files import read_json
from components.common.storage import open_store
from components.monitor import claims, looks
from components.plan.form import fill, read
from components.plan.settings import RunSettings
from components.release.settings import GitOps
from components.releases.champion import history
from pipelines.circle.story import BEGIN
from pipelines.configuration.config import load_config
from tests.monitor.decisions import TRAINING, at, decided
from tests.pipelines.kubeflow.kfp_state import KfpServer
from tests.releases.gitops.world import Bare, git
from tests.test_end_to_end import ENVIRONMENT, ROOT

NAME = "digits"
# a quiet week, and two that are alike
WEEKS = {"week-01": "week-01", "week-06": "week-02", "week-07": "week-02", "week-08": "week-03"}
MANIFEST = GitOps().path
CONFIG = """
version: 2
name: digits
source: source
store: store
threads: 1
ingest: {mode: L, processes: 1}
pretrain: &small
  architecture: resnet9
  width: 8
  image_size: 8
  epochs: 6
  batch_size: 64
  loader: torch
  precision: float32
  augment: {flip_horizontal: 0, crop: 0.7}
sample: {label_access: store, train_budget: 30, validation_budget: 15, calibration_budget: 20, test_budget: 40}
warmup: {head_steps: 60, steps: 60, precision: float32, augment: {flip_horizontal: 0, crop: 0.7}}
pseudolabel: {steps: 30, precision: float32, augment: {flip_horizontal: 0, crop: 0.7}}
evaluate: {gates: [accuracy not below champion at 95 %], map_points: 60, mistakes: 4}
release: {gitops: {repository: fleet.git}}
monitor: {train: true, min_images: 50, cool_down_days: 6, labels_per_alarm: 80, candidates: 120, audit: 10}
"""
pytestmark = pytest.mark.timeout(900)  # four runs of the whole pipeline, and three looks


class Story(NamedTuple):
    folder: Path
    bare: Bare
    weeks: list[dict[str, Any]]
    said: str


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = tmp_path_factory.mktemp("circle")
    stream(folder)
    (folder / "digits.yaml").write_text(CONFIG)
    bare = Bare(folder)
    (bare.clone / MANIFEST).parent.mkdir(parents=True)
    shutil.copyfile(ROOT / MANIFEST, bare.clone / MANIFEST)
    bare.commit("the manifests of this repository")
    words = ["circle", "digits.yaml", "--stream", "stream", "-o", "out"]
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Story(folder, bare, read_json(folder / "out" / "circle.json")["weeks"], done.stdout)


def stream(folder: Path) -> None:
    """Three weeks of the stream: nothing has changed, all digits are turned and there are 9s, and the same again."""
    words = ["example", "digits", "all", "--stream"]
    subprocess.run([sys.executable, "-m", "pipelines", *words], cwd=folder, env=ENVIRONMENT, check=True)
    kept = {"start": "start", **WEEKS}
    for old, new in kept.items():
        (folder / "stream" / new).mkdir(parents=True, exist_ok=True)
        for file in (folder / "all" / old).iterdir():
            shutil.copyfile(file, folder / "stream" / new / f"{old}-{file.name}")
    with (folder / "all" / "truth.csv").open() as lines, (folder / "stream" / "truth.csv").open("w") as out:
        rows = csv.writer(out)
        rows.writerow(["image", "label", "degrees"])
        for row in csv.DictReader(lines):
            part, _, name = row["image"].partition("/")
            if part in kept:
                rows.writerow([f"{kept[part]}/{part}-{name}", row["label"], row["degrees"]])


def test_a_quiet_week_is_quiet_the_drift_is_an_alarm_and_the_alarm_ends(story):
    assert [week["alarm"] for week in story.weeks] == [False, True, False]
    first, second, third = story.weeks
    assert first["version"] == second["version"] != third["version"] == second["promoted"]
    assert (first["promoted"], third["promoted"]) == ("", "")
    assert third["accuracy"] > third["without"]
    assert first["accuracy"] == first["without"]


def test_people_were_asked_about_what_is_new(story):
    first, second, _ = story.weeks
    assert second["labels"] >= first["labels"] + 60
    store = open_store(str(story.folder / "store"))
    [claim] = claims.claims(store, NAME)
    assert (claim.look, claim.labels) == (2, 80)
    assert (claims.started(store, NAME, claim.number) or {})["name"].startswith("digits-")
    release = json.loads(store.read(f"releases/{NAME}/{second['promoted']}/release.json"))
    assert release["run"]["settings"]["sample"]["candidates_from"].endswith("/candidates.parquet")
    assert release["compared_with"]
    assert "9" in release["classes"], "the class that appeared"


def test_the_audit_measures_each_model_by_labels_that_it_did_not_learn_from(story):
    second = looks.look_at(open_store(str(story.folder / "store")), NAME, 2)
    assert second is not None
    assert second["audit"]["labelled"] > 0  # drawn in the first week, answered after it
    assert second["audit"]["low"] <= second["audit"]["accuracy"] <= second["audit"]["high"]


def test_the_cluster_is_told_by_commits(story):
    store = open_store(str(story.folder / "store"))
    versions = [event["version"] for event in history(store, NAME) if event["what"] == "promoted"]
    assert (versions[0], versions[-1]) == (story.weeks[1]["version"], story.weeks[1]["promoted"])
    promotions = [message for message in story.bare.log() if message.startswith("Promote")]
    assert promotions == [f"Promote digits {version}" for version in reversed(versions)]
    served = yaml.safe_load(story.bare.shown(path=MANIFEST))["spec"]["predictor"]["model"]
    assert served["storageUri"] == f"store/releases/{NAME}/{versions[-1]}"
    git(story.bare.clone, "pull", "-q", "origin", "main")
    git(story.bare.clone, "revert", "--no-edit", "HEAD")
    git(story.bare.clone, "push", "-q", "origin", "HEAD:main")
    assert versions[-2] in story.bare.shown(path=MANIFEST), "git revert is the way back"


def test_on_kubeflow_the_same_alarm_starts_the_same_run(story, tmp_path, kubeflow: KfpServer, monkeypatch):
    at(monkeypatch, BEGIN.replace(day=19).isoformat())
    shutil.copytree(story.folder / "store", tmp_path / "store")
    place = open_store(str(tmp_path / "store"))
    found = looks.look_at(place, NAME, 2)
    assert found is not None
    on_laptop = claims.claims(place, NAME)[0]
    shutil.rmtree(tmp_path / "store" / "monitor" / NAME / "trainings")  # as if nobody had set about it
    config = load_config(story.folder / "digits.yaml", [f"store={place.uri}"])
    training = {**TRAINING, "parameters": fill(config)}
    drift = {**found, "store": place.uri, "release": f"{place.uri}/releases/{NAME}"}
    settings = config.monitor.model_dump(exclude_defaults=True)
    decision = decided(tmp_path, drift, training, **settings)
    [run] = kubeflow.runs
    assert run.description.startswith(found["verdict"]["title"])
    asked = read(run.runtime_config.parameters)
    assert (asked.sample.candidates_from or "").endswith("/candidates.parquet")
    same = load_config(story.folder / "digits.yaml", [f"store={place.uri}", *decision["overrides"]])
    assert asked == RunSettings.model_validate(same.model_dump(include=set(RunSettings.model_fields)))
    assert decision["labels"] == on_laptop.labels


def test_it_begins_with_nothing_and_with_a_stream(story, tmp_path):
    for words, told in (
        (("store=new", "--stream", "stream"), "source: holds something already; a rehearsal begins with a new source"),
        (("source=new", "--stream", "stream"), "store: holds something already; a rehearsal begins with"),
        (("--stream", "source"), "source: holds no truth.csv; expected a stream, as"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "pipelines", "circle", "digits.yaml", *words, "-o", str(tmp_path / "out")],
            cwd=story.folder,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
        assert told in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_page_and_the_lines_tell_it(story):
    assert len(story.said.splitlines()) == 1 + 3 + 2
    page = (story.folder / "out" / "circle.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "https://" not in page.replace("https://www.w3.org", "")
