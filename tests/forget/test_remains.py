"""Nothing of an image is left, wherever it was, and all else stays usable."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from components.common import draws, rounds
from components.common.artifacts import load_labels
from components.common.data.reader import ShardReader
from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.common.forgotten import forgotten_ids, replaced
from components.common.lineage import came_after, fetch_dataset
from components.common.storage import open_store
from components.forget.command import main
from components.labels.candidates import newest_candidates
from components.labels.store import LabelStore
from components.lineage.trace import releases_of
from components.lineage.versions import versions_of
from components.releases.champion import history
from components.releases.model import load_release
from components.releases.verify import verify
from pipelines.collecting.contents import Contents
from pipelines.collecting.naming import name_all
from pipelines.reproducing.inputs import Inputs, _copy_store
from tests.forget.world import MORE, NAME, Made, decoded, ingest, newest, parts_of, remains

KINDS = ["labelled", "unlabelled", "test"]


def forget(made: Made, *words: str) -> None:
    main([*words, "--yes", "--store", made.store, "--from", str(made.source)])


@pytest.mark.parametrize("kind", KINDS)
def test_no_object_and_no_file_holds_anything_of_it(made, kind):
    image = made.images[kind]
    what = parts_of(made, image)
    before = remains(made.folder, what)
    assert {line.rpartition(": ")[2] for line in before} == {
        "id",
        "bytes",
        "thumbnail",
        "embedding",
    }  # the search can find them
    forget(made, image, "--source")
    assert remains(made.folder, what) == []
    named = [path for path in made.folder.rglob("*") if image[:12] in path.name]
    assert [path.relative_to(made.folder).as_posix() for path in named] == [f"store/forgotten/images/{image}.json"]
    assert set(json.loads(named[0].read_bytes())) == {"format", "asked", "done"}


def test_pages_that_may_show_it_lose_all_pictures(made):
    pages = [path for path in made.folder.rglob("*") if path.is_file() and b"<!doctype html" in path.read_bytes()[:64]]
    assert any(b"base64," in page.read_bytes() for page in pages)
    forget(made, made.images["unlabelled"])
    left = [page for page in made.folder.rglob("*") if page.is_file() and b";base64," in page.read_bytes()]
    assert {page.name for page in left} == {"labelstudio.json"}  # tasks of other images
    assert all(b"were taken out" in page.read_bytes() for page in pages if page.exists() and "report" in page.name)


def test_every_version_is_made_anew_and_every_other_image_can_be_read(made):
    store = open_store(made.store)
    before = versions_of(store)
    image = made.images["labelled"]
    old = newest(store)
    forget(made, image)
    after = versions_of(store)
    assert len(before) == len(after) == 2
    assert not {one.version for one in before} & {one.version for one in after}
    anew = [replaced(store, NAME, one.version) for one in before]
    assert [one and one.now for one in anew] == [one.version for one in after]
    new = newest(store)  # which verifies it by its id
    assert set(old.column("id")) - set(new.column("id")) == {image}
    assert len(came_after(new, before[0].version, store)) == MORE
    reader = ShardReader(new, store)
    assert [sha256_bytes(reader.image_bytes(row)) for row in range(len(new.index))] == list(new.column("id"))


def test_a_stage_that_asks_for_the_old_version_is_told_what_happened(made, tmp_path):
    store = open_store(made.store)
    old = newest(store)
    forget(made, made.images["test"])
    with pytest.raises(BadInputError, match=r"was replaced by .* because 1 image was forgotten; start a run again"):
        fetch_dataset(NAME, old.id, store, tmp_path / "dataset")


def test_old_releases_serve_and_verify_says_what_was_written_anew(made):
    (place,) = Path(made.store, "releases", NAME).glob("*/release.json")
    forget(made, made.images["labelled"], made.images["test"])
    checks = {check.what: check for check in verify(str(place.parent))}
    assert [line for check in checks.values() for line in check.wrong] == []
    said = checks["forgotten"].said
    assert said.startswith("images were forgotten (2 on 20")
    assert all(name in said for name in ("labels.parquet", "reference.parquet", "report.html"))
    assert "because 2 images were forgotten" in checks["dataset"].said
    assert load_release(str(place.parent), 1).version == place.parent.name
    told = [event for event in history(open_store(made.store), NAME) if event["what"] == "forgot"]
    assert [event["why"] for event in told] == ["forgotten: 1 image labelled, 1 image test"]


def test_a_release_that_was_changed_otherwise_is_still_refused(made):
    (place,) = Path(made.store, "releases", NAME).glob("*/release.json")
    forget(made, made.images["labelled"])
    labels = place.with_name("labels.parquet")
    labels.write_bytes(labels.read_bytes()[:-1] + b"\0")
    weights = place.with_name("model.onnx")
    told = json.loads(place.with_name("forgotten.json").read_bytes())
    told["files"]["model.onnx"] = [{"sha256": sha256_bytes(b"another"), "size": 7}]
    weights.write_bytes(b"another")
    place.with_name("forgotten.json").write_text(json.dumps(told))
    wrong = [line for check in verify(str(place.parent)) for line in check.wrong]
    assert sorted(line.partition(": ")[0].rpartition("/")[2] for line in wrong) == ["labels.parquet", "model.onnx"]


def test_labels_candidates_rounds_and_runs_are_read_as_before(made):
    store = open_store(made.store)
    answers = len(LabelStore(store, NAME).read().answers)
    (version,) = Path(made.store, "labels", NAME, "versions").iterdir()
    image = made.images["labelled"]
    about_it = sum(answer.id == image for answer in LabelStore(store, NAME).read().answers)
    forget(made, image)
    labels = LabelStore(store, NAME)
    assert len(labels.read().answers) == answers - about_it == len(labels.read(version.stem).answers)
    asked = newest_candidates(store, NAME)
    assert asked is not None
    assert asked.about["dataset"]["id"] == newest(store).id
    assert image not in asked.picks()["id"].to_pylist()
    key = rounds.newest_before(store, NAME, 2)
    assert image not in rounds.load(store, key)["given"]
    (drawn,) = draws.keys(store, NAME)
    assert image not in draws.load(store, drawn)["images"]["test"]
    opinion = rounds.load_opinion(store, rounds.newest_before(store, NAME, 2, rounds.OPINIONS))
    assert image not in opinion["id"].to_pylist()
    for folder in (path.parent for path in made.folder.rglob("labels.json") if path.parent.name != NAME):
        load_labels(folder)  # whose digest it says


def test_a_look_names_its_new_files_and_so_does_the_training_that_it_started(made):
    store = open_store(made.store)
    forget(made, made.images["test"])
    look = json.loads(store.read(f"monitor/{NAME}/looks/000001.json"))
    for entry in look["files"].values():
        store.read_verified(entry["key"], entry["sha256"], entry["size"])
    claim = json.loads(store.read(f"monitor/{NAME}/trainings/000001.json"))
    assert claim["candidates_from"].endswith(look["files"]["candidates.parquet"]["key"])
    folders = {stat.key.split("/")[4] for stat in store.list(f"monitor/{NAME}/looks/000001/")}
    assert len(folders) == 1


def test_the_next_ingest_leaves_it_out_says_so_and_makes_the_same_version(made, tmp_path, capsys):
    store = open_store(made.store)
    image = made.images["labelled"]
    forget(made, image)
    assert forgotten_ids(store) == {image}
    expected = newest(store)
    capsys.readouterr()
    dataset = ingest(made.source, tmp_path / "again", made.store)
    assert newest(store).id == expected.id
    file = made.file_of(image).relative_to(made.source).as_posix()
    assert f"left out, since they were forgotten (gleaner forget): {file}; remove them" in capsys.readouterr().out
    quality = decoded(dataset / "quality.json").decode()
    assert image not in quality
    assert "was forgotten (gleaner forget), and is never taken in again" in quality
    assert image.encode() not in decoded(dataset / "index.parquet")


def test_what_people_say_of_it_later_is_not_kept(made):
    store = open_store(made.store)
    labels = LabelStore(store, NAME)
    said = [answer for answer in labels.read().answers if answer.task == "page"]
    image = made.images["labelled"]
    forget(made, image)
    before = sorted(stat.key for stat in store.list(f"labels/{NAME}/"))
    about = [answer for answer in said if answer.id == image]
    labels.append([answer._replace(round=9) for answer in about])
    assert image not in {answer.id for answer in labels.read().answers}
    for annotator, number in (("person 1", 1), ("person 2", 2), ("ann", 3)):
        labels.append([answer for answer in said if answer.annotator == annotator and answer.round == number])
    assert (
        len({stat.key for stat in store.list(f"labels/{NAME}/")} - {*before}) == 1
    )  # of round 9: the others are known


def test_images_are_forgotten_one_after_another(made, tmp_path):
    """What an image was to a release is known after others were forgotten, whose dataset it was made of."""
    store = open_store(made.store)
    (place,) = Path(made.store, "releases", NAME).glob("*/release.json")
    what = [parts_of(made, image) for image in made.images.values()]
    for kind in KINDS:
        (told,) = releases_of(store, made.images[kind])
        assert told.how == kind
        forget(made, made.images[kind], "--source")
        assert [line for check in verify(str(place.parent)) for line in check.wrong] == []
    assert [remains(made.folder, each) for each in what] == [[], [], []]
    times = json.loads(place.with_name("forgotten.json").read_bytes())["times"]
    assert [time["how"] for time in times] == [{kind: 1} for kind in KINDS]


def test_a_clean_up_keeps_what_replaced_the_dataset_of_a_release(made):
    store = open_store(made.store)
    (place,) = Path(made.store, "releases", NAME).glob("*/release.json")
    forget(made, made.images["test"])
    version = json.loads(place.read_bytes())["digests"]["dataset"]
    with closing(Contents(store, lambda: None)) as contents:
        name_all(contents, store, float("inf"), 1, set(), lambda: None)
        anew = replaced(store, NAME, version)
        assert anew is not None
        assert contents.is_named(f"datasets/{NAME}/{anew.now}")


def test_a_release_that_learned_from_it_cannot_be_made_again(made, tmp_path):
    (place,) = Path(made.store, "releases", NAME).glob("*/release.json")
    forget(made, made.images["labelled"])
    release = {**json.loads(place.read_bytes()), "run": {"settings": {}}}
    with pytest.raises(BadInputError, match="because 1 image was forgotten; what a release learned from them"):
        _copy_store(open_store(made.store), Inputs(release, tmp_path, tmp_path, tmp_path, tmp_path / "store"))
