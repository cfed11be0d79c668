"""`gleaner predict` on a release of the tiny model: torch's confidences, and every way it can be refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.common.files import read_json, write_json
from components.common.storage import open_store
from components.predict import command
from components.predict.command import main
from components.predict.settings import CHUNK
from components.releases.champion import promote
from components.releases.model import load_release


@pytest.fixture
def bundle(released, tmp_path):
    """A copy of the bundle that a test may spoil."""
    return Path(shutil.copytree(released.place, tmp_path / "copy"))


def predicted(capsys, *arguments: str) -> list[dict]:
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_its_confidences_are_those_of_torch(released, capsys):
    images = [str(released.images / name) for name in released.names]
    assert len(images) > CHUNK
    answers = predicted(capsys, released.place, *images, "--top", "3")
    classes = load_release(released.place, 1).classes
    assert [answer["image"] for answer in answers] == images
    for answer, expected in zip(answers, released.probabilities, strict=True):
        best = np.argsort(-expected, kind="stable")[:3]
        assert [one["class"] for one in answer["top"]] == [classes[c] for c in best]
        assert [one["confidence"] for one in answer["top"]] == pytest.approx(expected[best], abs=1e-5)
        assert answer["top"][0] == {"class": answer["class"], "confidence": answer["confidence"]}
        assert answer["abstain"] == (answer["confidence"] < 0.6)
        assert set(answer["set"]) == {classes[c] for c in np.flatnonzero(expected >= 1 - 0.8)}


def test_an_answer_does_not_depend_on_what_is_asked_beside_it(released, capsys):
    images = [str(released.images / name) for name in released.names[: CHUNK + 5]]
    together = predicted(capsys, released.place, *images, "--processes", "2")
    assert predicted(capsys, released.place, *images, "--processes", "1") == together
    assert predicted(capsys, released.place, str(released.images), "--processes", "2")[: len(images)] == together


def test_a_version_a_champion_and_a_record_name_one_release(released, tmp_path, capsys):
    store = Path(shutil.copytree(Path(released.place).parents[2], tmp_path / "store"))
    version = store / "releases" / "digits" / Path(released.place).name
    made = read_json(version / "release.json")
    promote(open_store(str(store)), made, expected=None, who="a test", why="the first", source="")
    write_json(tmp_path / "release" / "release.json", {"promoted": True, "published": str(version), "why": ""})
    image = str(released.images / released.names[0])
    places = [
        version,
        version / "release.json",
        version.parent,
        version.parent / "champion.json",
        tmp_path / "release",
        tmp_path / "release" / "release.json",
    ]
    assert len({json.dumps(predicted(capsys, str(place), image)) for place in places}) == 1


def test_a_release_in_a_bucket_is_read_alike(released, bundle, capsys, s3_bucket):
    image = str(released.images / released.names[0])
    bucket = open_store(f"{s3_bucket}/releases/digits/v")
    local = open_store(str(bundle))
    for stat in local.list():
        bucket.write(stat.key, local.read(stat.key))
    assert predicted(capsys, bucket.uri, image) == predicted(capsys, str(bundle), image)
    bucket.write("model.onnx", b"changed")
    refused(capsys, bucket.uri, image, "model.onnx: ")


def test_the_table_names_class_and_confidence(released, capsys):
    images = [str(released.images / name) for name in released.names[:2]]
    main([released.place, *images, "--top", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["image", "class", "confidence", "2."]
    assert [line.split()[0] for line in lines[1:]] == images
    assert all(line.split()[2].endswith("%") for line in lines[1:])


def test_whom_to_ask_about_an_unsure_answer_stands_in_the_table(released, capsys):
    unsure = [name for name, row in zip(released.names, released.probabilities, strict=True) if row.max() < 0.6]
    main([released.place, str(released.images / unsure[0])])
    assert capsys.readouterr().out.splitlines()[1].endswith("unsure: ask a person")


def refused(capsys, release: str, image: str, *said: str) -> None:
    with pytest.raises(SystemExit) as end:
        main([release, image])
    assert end.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    for part in said:
        assert part in output.err


@pytest.mark.parametrize("name", ["model.onnx", "preprocessing.json", "calibration.json"])
def test_one_changed_byte_anywhere_is_refused(released, bundle, capsys, name):
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    expected = read_json(bundle / "release.json")["files"][name]["sha256"]
    refused(capsys, str(bundle), str(released.images / released.names[0]), f"{name}: its sha256 is ", expected)


def test_a_changed_release_json_a_missing_file_and_a_missing_place_are_refused(released, bundle, tmp_path, capsys):
    image = str(released.images / released.names[0])
    about = read_json(bundle / "release.json")
    write_json(bundle / "release.json", {**about, "temperature": 0.01})
    refused(capsys, str(bundle), image, "release.json: expected contents of version")
    write_json(bundle / "release.json", about)
    (bundle / "calibration.json").unlink()
    refused(capsys, str(bundle), image, "calibration.json: not there")
    refused(capsys, str(tmp_path / "nowhere"), image, "no such file or folder")
    refused(capsys, str(released.images), image, "neither release.json nor champion.json")
    write_json(
        tmp_path / "record" / "release.json", {"promoted": False, "published": "", "why": "not released: max_ece: …"}
    )
    refused(capsys, str(tmp_path / "record"), image, "nothing was published: not released: max_ece")


def test_an_unreadable_image_is_a_line_and_the_others_are_still_answered(released, tmp_path, capsys):
    good = [str(released.images / name) for name in released.names[:2]]
    (tmp_path / "text.png").write_text("no image")
    images = [good[0], str(tmp_path / "text.png"), str(tmp_path / "absent.png"), good[1]]
    with pytest.raises(SystemExit) as end:
        main([released.place, *images, "--json"])
    assert end.value.code == 2
    output = capsys.readouterr()
    answers = json.loads(output.out)
    assert [sorted(answer) for answer in answers] == [
        ["abstain", "class", "confidence", "image", "set", "top"],
        ["error", "image"],
        ["error", "image"],
        ["abstain", "class", "confidence", "image", "set", "top"],
    ]
    assert output.err.splitlines() == [
        f"error: predict: {tmp_path / 'text.png'}: "
        "not a JPEG, PNG, WebP, AVIF, HEIC, JPEG 2000, TIFF, BMP, GIF or PPM image",
        f"error: predict: {tmp_path / 'absent.png'}: No such file or directory",
    ]
    with pytest.raises(SystemExit):
        main([released.place, *images])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["image", *good]


def test_more_than_can_be_printed_is_one_line(released, capsys, monkeypatch):
    monkeypatch.setattr(command, "LISTED", 3)
    refused(capsys, released.place, str(released.images), "too many to be printed: name a file with --output")


def test_output_and_json_are_one_too_many(released, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([released.place, str(released.images), "--json", "-o", str(tmp_path / "a.csv")])
    assert end.value.code == 2
    assert "give one of them" in capsys.readouterr().err


def test_the_image_serve_holds_all_that_it_needs():
    modules = ("command", "__main__", "split.__main__", "answer.__main__")
    others = {"torch", "torchvision", "scipy", "sklearn", "kfp", "safetensors", "optuna"}
    imported = ", ".join(f"components.predict.{module}" for module in modules)
    code = f"import sys, {imported}; print({others} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
