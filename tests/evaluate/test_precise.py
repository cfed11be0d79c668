"""The second opinion through the real stages: asked about the pool, offered to the next round, picked first."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional as F

from components.common import rounds
from components.common.artifacts import TRAIN, load_labels
from components.common.errors import BadInputError
from components.common.files import read_json, sha256_file
from components.common.learning.models import load_checkpoints, load_classifier, normalise
from components.common.metrics import softmax
from components.common.storage import IntegrityError, open_store
from components.evaluate.ensemble import Ensemble
from components.evaluate.settings import Precise
from components.labels.store import Answer, LabelStore
from tests import tiny
from tests.sample.test_store_rounds import asked
from tests.stages import pseudolabel, sample, warmup

ROUND: dict[str, Any] = {"label_access": "store", "train_budget": 100, "round_size": 20, "test_budget": 5}
PRECISE = {"images": 150, "views": 3, "passes": 2, "sure": 0.3}


@pytest.fixture(scope="module")
def world(tiny_world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tiny.World:
    """The tiny world with sixty training labels and a store of its own, and a model of pseudo-labels with two
    checkpoints.
    """
    folder = tmp_path_factory.mktemp("precise")
    shutil.copytree(tiny_world.store, folder / "store")
    tiny.labels(folder / "labels", tiny_world.data, {**tiny_world.rows, TRAIN: tiny_world.rows[TRAIN][:60]})
    few = tiny_world._replace(labels=folder / "labels", store=str(folder / "store"))
    warmup(few, folder, steps=60)
    few = few._replace(warm=folder / "warm")
    pseudolabel(few, folder, steps=60, checkpoints=2)
    about = read_json(folder / "classifier" / "classifier.json")
    assert not about["handed_on"], about["why"]
    return few._replace(classifier=folder / "classifier")


@pytest.fixture(scope="module")
def done(world: tiny.World, tmp_path_factory: pytest.TempPathFactory) -> tiny.Evaluated:
    return tiny.evaluated(world, tmp_path_factory.mktemp("evaluated"), precise=PRECISE, gates=["agreement >= 0"])


def test_the_figures_and_the_table_agree(world, done):
    told = read_json(done.evaluation / "metrics.json")["precise"]
    rows = pq.read_table(done.evaluation / "opinion.parquet").to_pylist()
    assert (told["images"], told["models"], told["views"], told["passes"]) == (150, 3, 3, 2)
    assert len({row["id"] for row in rows}) == 150
    taught = set(world.data.column("id")[world.rows[TRAIN][:60]])
    train = set(world.data.column("id")[world.data.rows(TRAIN)])
    assert {row["id"] for row in rows} <= train - taught
    surely = [row["disagrees"] for row in rows]
    assert surely == [row["predicted"] != row["opinion"] and row["opinion_confidence"] >= 0.3 for row in rows]
    assert 0 < sum(surely) == told["disagree"] < 150
    assert surely == sorted(surely, reverse=True), "disagreements come first"
    sure = [row["opinion_confidence"] for row in rows if row["disagrees"]]
    assert sure == sorted(sure, reverse=True), "the surest of them first"
    rest = [row["mutual_information"] for row in rows if not row["disagrees"]]
    assert rest == sorted(rest, reverse=True)
    assert told["agreement"] == np.mean([row["predicted"] == row["opinion"] for row in rows])
    assert told["mutual_information"] == pytest.approx(np.mean([row["mutual_information"] for row in rows]))
    assert told["low"] < told["accuracy"] < told["high"]
    assert told["test_images"] == min(150, len(world.rows["test"]))
    gate = read_json(done.evaluation / "gate.json")["gates"][0]
    assert gate["figure"] == told["agreement"]
    assert done.metadata["evaluation"]["precise"] == told["why"]


def test_it_is_off_by_default(tiny_evaluated):
    assert "precise" not in read_json(tiny_evaluated.evaluation / "metrics.json")
    assert not (tiny_evaluated.evaluation / "opinion.parquet").exists()


def test_equal_runs_give_equal_opinions_and_show_how_far_they_are(world, done, tmp_path, capsys):
    again = tiny.evaluated(world, tmp_path, precise=PRECISE, gates=[])
    files = (done.evaluation / "opinion.parquet", again.evaluation / "opinion.parquet")
    assert sha256_file(files[0]) == sha256_file(files[1])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"progress": "eval')]
    assert lines[-1]["done"] == lines[-1]["total"] == 150 + min(150, len(world.rows["test"]))
    keys = [entry.key for entry in open_store(world.store).list("opinions/digits/0001-")]
    assert keys == [f"opinions/digits/0001-{sha256_file(files[0])[:12]}.parquet"]


def test_a_warm_up_model_that_is_handed_on_is_asked_alone(tiny_world, tmp_path):
    told = read_json(tiny.evaluated(tiny_world, tmp_path, precise=PRECISE).evaluation / "metrics.json")["precise"]
    assert (told["models"], told["images"], told["why"]) == (1, 0, "every image of the pool has a label")
    assert told["agreement"] is None
    assert told["accuracy"] > 0


def test_without_views_and_dropout_it_is_the_mean_of_the_models(world):
    """The oracle: each model asked for itself."""
    pixels = torch.randint(0, 256, (5, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = Ensemble(world.classifier, 1.5, Precise(images=5, views=1, passes=1, dropout=0.0), 0, 5)(pixels)
    final, spec, about = load_classifier(world.classifier)
    classes = len(about["classes"])
    with torch.inference_mode():
        each = [softmax(m(normalise(pixels, spec)).numpy(), 1.5) for m in (final, *load_checkpoints(world.classifier))]
    assert len(each) == 3
    assert found[:, :classes] == pytest.approx(each[0], abs=1e-5)
    assert found[:, classes:-2] == pytest.approx(np.mean(each, axis=0), abs=1e-5)


def test_a_pass_of_dropout_is_the_head_on_fewer_features(world):
    pixels = torch.full((1, 1, 8, 8), 128, dtype=torch.uint8)
    asked = Ensemble(world.classifier, 1.0, Precise(images=1, views=1, passes=2, dropout=0.5), 0, 1)
    members = list(asked.members(pixels))
    assert len(members) == 3 * 2
    network, spec, _ = load_classifier(world.classifier)
    with torch.inference_mode():
        embedding = F.normalize(network.encoder(normalise(pixels, spec)), dim=1)
        wanted = network.head_logits(embedding * torch.from_numpy(asked.masks[0][1])).numpy()
    assert members[1] == pytest.approx(softmax(wanted), abs=1e-5)


def answer(world: tiny.World, images: list[str], number: int) -> str:
    """A person answers what is true; returns the state of the label store."""
    truth = dict(zip(world.data.column("id"), world.data.column("label"), strict=True))
    people = LabelStore(open_store(world.store), "digits")
    time = datetime(2026, 3, number, 12, tzinfo=UTC)
    people.append([Answer(image, "class", truth[image], "Ada", time, "the page", number) for image in images])
    return people.version()


def test_the_next_round_asks_for_disagreements_first(world, done, tmp_path):
    """Round 1 was measured; in round 2 the sampler is told its second opinion, as `plan` finds it."""
    place = open_store(world.store)
    key = rounds.newest_before(place, "digits", 2, rounds.OPINIONS)
    assert rounds.load_opinion(place, key).num_rows == 150
    assert rounds.newest_before(place, "digits", 1, rounds.OPINIONS) == "", "a round is not told its own"
    first = world.data.column("id")[world.rows[TRAIN][:10]].tolist()
    settings = {**ROUND, "labels_version": answer(world, first, 1)}
    for name, changes in (("plain", {}), ("told", {"opinion": key}), ("never", {"opinion": key, "second_opinion": 0})):
        sample(world, tmp_path / name, **{**settings, **changes})
    plain, told, never = (asked(tmp_path / name) for name in ("plain", "told", "never"))
    assert plain == never
    assert len(plain) == len(told) == len(set(told)) == 20
    offered = [row["id"] for row in rounds.load_opinion(place, key).to_pylist() if row["disagrees"]]
    expected = offered[: int(0.3 * 20)]
    assert told[: len(expected)] == expected
    rows = pq.read_table(tmp_path / "told" / "candidates" / "candidates.parquet").to_pylist()
    reasons = {row["id"]: row["reason"] for row in rows}
    assert all(reasons[image].startswith("second opinion: ") for image in expected)
    assert "where the model says" in reasons[expected[0]]
    assert load_labels(tmp_path / "told" / "labels")[1]["counts"]["train"] == 10


def test_what_was_answered_since_is_not_asked_again(world, done, tmp_path):
    place = open_store(world.store)
    key = rounds.newest_before(place, "digits", 2, rounds.OPINIONS)
    offered = [row["id"] for row in rounds.load_opinion(place, key).to_pylist() if row["disagrees"]]
    version = answer(world, offered[:2], 1)
    sample(world, tmp_path / "out", **{**ROUND, "labels_version": version, "opinion": key})
    assert not set(offered[:2]) & set(asked(tmp_path / "out"))
    assert asked(tmp_path / "out")[:2] == offered[2:4]


def test_an_opinion_that_is_gone_or_was_changed_is_refused_in_a_line(world, done):
    place = open_store(world.store)
    with pytest.raises(BadInputError, match=r"digits/0001-0\.parquet: does not exist; expected a second"):
        rounds.load_opinion(place, "opinions/digits/0001-0.parquet")
    key = rounds.newest_before(place, "digits", 2, rounds.OPINIONS)
    path = Path(world.store) / key.replace("0001-", "0003-0")
    path.write_bytes(place.read(key) + b" ")
    with pytest.raises(IntegrityError, match="was changed"):
        rounds.load_opinion(place, key.replace("0001-", "0003-0"))
    path.unlink()
