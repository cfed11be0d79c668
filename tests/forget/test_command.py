"""What the command says and asks, and how each mistake of the user ends."""

import fcntl
import io
import json
from pathlib import Path

import pytest

from components.common.artifacts import load_dataset
from components.common.errors import BadInputError
from components.common.files import sha256_tree
from components.common.forgotten import forgotten_ids
from components.common.storage import open_store
from components.forget.command import main
from pipelines import handover
from tests.forget.world import NAME, Made, parts_of, remains


def ended(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Exit code and the last line of errors."""
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return int(str(end.value.code)), said.strip()


def test_a_look_changes_nothing_and_says_what_would_go(made, capsys):
    image = made.images["labelled"]
    before = sha256_tree(made.folder)
    main([str(made.file_of(image)), "--dry-run", "--store", made.store, "--from", str(made.source)])
    said = capsys.readouterr().out
    assert sha256_tree(made.folder) == before
    file = made.file_of(image).relative_to(made.source)
    assert f"image {image[:12]}: {file} of digits, train, in 2 versions\n" in said
    assert "of digits: learned from its label\n" in said
    assert f"{made.source}/{file}: still there, and left out from now on; --source removes it\n" in said
    assert "to be removed: " in said
    assert "to be written anew: " in said
    assert said.endswith("nothing was changed: without --dry-run it is\n")


def test_what_could_not_be_undone_is_said(made, capsys):
    main([made.images["unlabelled"], "--yes", "--store", made.store])
    said = capsys.readouterr().out
    assert "forgotten: 1 image; tombstones keep it out\n" in said
    assert (
        "learned from what is gone (1 image unlabelled): its weights stay what they are until another release" in said
    )


def test_files_leave_the_source_where_that_is_asked_copies_included(made, capsys):
    file = made.file_of(made.images["test"])
    copy = made.source / "9" / "again.png"
    copy.write_bytes(file.read_bytes())
    words = [made.images["test"], "--yes", "--store", made.store, "--from", str(made.source)]
    main([*words, "--source"])
    assert not file.exists()
    assert not copy.exists()
    assert capsys.readouterr().out.count(": was removed from the source") == 2


def test_what_is_no_folder_is_not_looked_into(made, tmp_path, capsys):
    archive = tmp_path / "images.zip"
    archive.write_bytes(b"PK")
    main([made.images["test"], "--yes", "--store", made.store, "--from", str(archive)])
    assert f"the source may still have it: {archive} is not a folder" in capsys.readouterr().out


def test_an_image_of_no_dataset_is_kept_out(made, tmp_path, capsys):
    file = tmp_path / "ann.jpg"
    file.write_bytes(b"a picture")
    main([str(file), "--yes", "--store", made.store])
    said = capsys.readouterr().out
    assert "in no dataset of this store; it will never be taken in" in said
    assert "no release has to do with it" in said
    assert "nothing of it is in the store" in said
    assert len(forgotten_ids(open_store(made.store))) == 1


def test_near_duplicates_are_named_and_stay(made, capsys):
    """Two images of a group, of which the first is forgotten: the group takes the name of the other."""
    (run,) = (made.folder / ".gleaner" / "runs").iterdir()
    index = load_dataset(run / "ingest" / "dataset").index.to_pylist()
    groups: dict[str, list[str]] = {}
    for row in index:
        groups.setdefault(row["group"], []).append(row["id"])
    group, members = next((group, ids) for group, ids in groups.items() if len(ids) > 1)
    main([group, "--yes", "--store", made.store, "--workdir", "none"])
    said = capsys.readouterr().out
    for other in members:
        assert (f"like it, and stays: {other[:12]} (" in said) == (other != group)
    (version,) = {json.loads(Path(made.store, "datasets", NAME, "latest.json").read_bytes())["id"]}
    kept = {
        row["id"]: row["group"] for row in load_dataset(Path(made.store, "datasets", NAME, version)).index.to_pylist()
    }
    assert {kept[other] for other in members if other != group} == {min(set(members) - {group})}


def test_copies_elsewhere_are_looked_through_where_they_are_named(made, tmp_path):
    image = made.images["test"]
    what = parts_of(made, image)
    (made.folder / ".gleaner").rename(tmp_path / "artifacts")
    main(
        [
            image,
            "--yes",
            "--source",
            "--store",
            made.store,
            "--from",
            str(made.source),
            "--also",
            str(tmp_path / "artifacts"),
        ]
    )
    assert remains(tmp_path / "artifacts", what) == remains(made.folder, what) == []


def test_somebody_is_asked(made, monkeypatch, capsys):
    words = [made.images["test"], "--store", made.store]
    assert ended(capsys, *words) == (
        2,
        "error: forget: nobody to ask whether to forget 1 image: say --yes, or --dry-run to look only",
    )
    terminal = io.StringIO("no\n")
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", terminal)
    assert ended(capsys, *words) == (2, "error: forget: nothing was changed")
    assert not forgotten_ids(open_store(made.store))


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("ann.jpg", "'ann.jpg' is no file and no id; expected an image's file, its id (sha256, 64 digits), or"),
        ("abc", "'abc' is no file and no id; expected"),
        ("0123456789", "0123456789: no image in a dataset of "),
    ],
)
def test_a_word_that_is_no_image(made, capsys, word, line):
    code, said = ended(capsys, word, "--yes", "--store", made.store)
    assert code == 2
    assert said.startswith(f"error: forget: {line}")


def test_digits_that_say_too_little(made, capsys, monkeypatch):
    monkeypatch.setattr("components.forget.asked._ids", lambda store: ["abcdef0" + "0" * 57, "abcdef1" + "0" * 57])
    code, said = ended(capsys, "abcdef", "--yes", "--store", made.store)
    assert code == 2
    assert "abcdef: 2 images begin so (abcdef000000, abcdef100000, …); give more digits" in said


def test_nothing_to_do_and_no_store(made, capsys):
    assert ended(capsys, "--store", made.store)[1].startswith(
        "error: forget: which images? nothing is left to go on with"
    )
    assert ended(capsys, "x")[1].startswith("error: forget: which store? give -c my.yaml")


def test_a_run_in_flight_is_not_disturbed(made, capsys):
    with (made.folder / ".gleaner" / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        code, said = ended(capsys, made.images["test"], "--yes", "--store", made.store)
    assert code == 2
    assert said.startswith("error: forget: .gleaner: a run is in flight, which may hold the images;")


def test_what_a_configuration_says(made: Made, tmp_path):
    config = tmp_path / "my.yaml"
    config.write_text(f"version: 2\nname: digits\nsource: in\nstore: {made.store}\nmonitor: {{log: elsewhere}}\n")
    assert handover.command("forget", ["abcdef", "-c", str(config)]) == (
        "components.forget",
        ["--store", made.store, "--from", "in", "--also", "elsewhere", "abcdef"],
    )
    assert handover.then_train(["abcdef", "--train", "-c", "my.yaml"]) == (
        ["abcdef", "-c", "my.yaml"],
        ["run", "my.yaml"],
    )
    with pytest.raises(BadInputError, match="say --train"):
        handover.then_train(["abcdef", "--train", "--submit", "-c", "my.yaml"])
