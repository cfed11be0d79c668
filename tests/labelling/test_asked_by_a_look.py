"""From a look to labels and back: what it names as new goes through the real sampler, the page and the label store."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.artifacts import TEST, TRAIN, load_labels
from components.common.storage import FolderStore
from components.labels.store import LabelStore
from components.monitor import looks
from components.monitor.audit import measured
from tests import tiny
from tests.labelling.test_server import Client, client
from tests.labelling.world import serve
from tests.monitor.audits import VERSION, parquet, table, until
from tests.sample.test_embed import store as other_store
from tests.sample.test_newer import earlier
from tests.sample.test_store_rounds import Person, asked, run

NEW = "new to the model (nearest known image at 0.41)"
store = other_store  # a fixture


@pytest.fixture
def world(tiny_world: tiny.World, store: FolderStore) -> tiny.World:
    for path in tiny_world.dataset.iterdir():
        store.upload(f"datasets/digits/{tiny_world.data.id}/{path.name}", path)
    return tiny_world._replace(store=store.uri)


def publish(store: FolderStore, candidates: list[str], drawn: pa.Table) -> str:
    """A look that names these images, and has drawn those answers; where its candidates lie."""
    text = io.BytesIO()
    pq.write_table(pa.table({"id": candidates, "reason": [NEW] * len(candidates)}), text)
    drift = {"format": 1, "model": "digits", "number": 1, "until": until(1).isoformat()}
    files = {"candidates.parquet": text.getvalue(), "audit.parquet": parquet(drawn)}
    assert looks.publish(store, "digits", drift, files)
    look = looks.last(store, "digits")
    assert look
    return looks.place_of(store, look, "candidates.parquet")


def label_all(person: Client, truth: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    """Answer on the page until nothing is left; what it showed, by purpose."""
    shown: dict[str, list[dict[str, str]]] = {}
    images = person.say("next", count=1)["next"]
    while images:
        shown.setdefault(images[0]["purpose"], []).append(images[0])
        image = images[0]["id"]
        images = person.say("answer", images=[image], kind="class", label=truth[image], count=1)["next"]
    return shown


def test_what_a_look_names_is_asked_labelled_and_learned_and_what_it_drew_measures(
    world: tiny.World, store: FolderStore, tmp_path: Path
) -> None:
    before = earlier(world, 700, store, tmp_path / "before")
    ids, old = world.data.column("id"), set(before.column("id"))
    truth = dict(zip(ids, world.data.column("label"), strict=True))
    fresh = [image for image in ids[world.data.rows(TRAIN)] if image not in old]
    held = [image for image in ids[world.data.rows(TEST)] if image not in old]
    answers = table([(fresh[-1], truth[fresh[-1]]), (held[-1], "none such"), (fresh[-2], truth[fresh[-2]])])
    uri = publish(store, [*fresh[:10], *held[:4], "f" * 64], answers)
    person = Person(world)
    told = run(world, tmp_path / "watch", person, candidates_from=uri, new_since=before.id, new_share=1.0)
    assert "waiting" in told["labels"]
    assert set(asked(tmp_path / "watch")) == set(fresh[:10]), "held-out images and unknown ones are passed over"
    with serve(store.uri) as server:
        shown = label_all(client(server), truth)
    assert [image["id"] for image in shown["audit"]] == [fresh[-1], held[-1], fresh[-2]]
    assert all(image["reason"].endswith("; asked for: new to the model") for image in shown["train"])
    assert not any("reason" in image for purpose in ("audit", "test") for image in shown[purpose])
    found = measured(store, "digits", "digits", VERSION)
    assert found
    assert (found["labelled"], found["right"], found["waiting"]) == (3, 2, 0)
    later = run(world, tmp_path / "later", person, draws=[stat.key for stat in store.list("draws/digits/")])
    table_, _ = load_labels(tmp_path / "later" / "labels")
    purposes = {row["id"]: row["purpose"] for row in table_.to_pylist()}
    assert later["labels"]["train"] == 12, "ten of the look, and the two of the audit that are no held-out images"
    assert {image for image in held if purposes.get(image) == TEST} >= {
        image["id"] for image in shown["test"] if image["id"] not in old
    }
    assert len(LabelStore(store, "digits").read().answers) == sum(map(len, shown.values()))
