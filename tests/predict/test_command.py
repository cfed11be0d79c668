"""`gleaner predict` on a release of the tiny model: the evaluation's confidences, and every way it can be refused."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from components.common.data.reader import ShardReader
from components.common.files import read_json, write_json
from components.common.storage import open_store
from components.predict.command import BATCH, main
from components.release.settings import ReleaseSettings
from components.release.stage import run


@pytest.fixture(scope="module")
def world(tiny_world, tiny_evaluated, tmp_path_factory):
    """A release whose gates passed, its record, and the test images as files named by id."""
    folder = tmp_path_factory.mktemp("released")
    shutil.copytree(tiny_evaluated.evaluation, folder / "evaluation")
    write_json(folder / "evaluation" / "gate.json", {"format": 1, "passed": True, "gates": []})
    run(
        tiny_world.classifier,
        tiny_evaluated.calibration,
        folder / "evaluation",
        "digits",
        str(folder / "store"),
        ReleaseSettings(),
        folder / "release",
    )
    reader = ShardReader(tiny_world.data, open_store(tiny_world.store))
    (folder / "images").mkdir()
    for row in tiny_world.rows["test"]:
        (folder / "images" / f"{tiny_world.data.column('id')[row]}.png").write_bytes(reader.image_bytes(int(row)))
    return folder


@pytest.fixture
def bundle(world, tmp_path):
    """A copy of the bundle that a test may spoil."""
    published = open_store(read_json(world / "release" / "release.json")["published"])
    copy = open_store(str(tmp_path / "copy"))
    for stat in published.list():
        copy.write(stat.key, published.read(stat.key))
    return tmp_path / "copy"


def predicted(capsys, *arguments: str) -> list[dict]:
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_its_confidences_are_those_of_the_evaluation(world, tiny_evaluated, capsys):
    expected = pq.read_table(tiny_evaluated.evaluation / "predictions.parquet").to_pylist()
    images = [str(world / "images" / f"{line['id']}.png") for line in expected]
    assert len(images) > BATCH
    answers = predicted(capsys, str(world / "store" / "releases" / "digits"), *images, "--top", "3")
    assert [answer["image"] for answer in answers] == images
    for answer, line in zip(answers, expected, strict=True):
        assert answer["class"] == line["predicted"]
        assert answer["confidence"] == pytest.approx(line["confidence"], abs=1e-5)
        assert answer["top"][0] == {"class": answer["class"], "confidence": answer["confidence"]}
        assert [one["confidence"] for one in answer["top"]] == sorted(
            (one["confidence"] for one in answer["top"]), reverse=True
        )
        assert len(answer["top"]) == 3


def test_a_version_a_champion_and_a_record_name_one_release(world, capsys, monkeypatch):
    image = str(next((world / "images").iterdir()))
    published = read_json(world / "release" / "release.json")["published"]
    places = [
        published,
        f"{published}/release.json",
        str(world / "store" / "releases" / "digits"),
        str(world / "release"),
        str(world / "release" / "release.json"),
        str(world / "store" / "releases" / "digits" / "champion.json"),
    ]
    assert len({json.dumps(predicted(capsys, place, image)) for place in places}) == 1


def test_a_release_in_a_bucket_is_read_alike(world, bundle, capsys, s3_bucket):
    image = str(next((world / "images").iterdir()))
    bucket = open_store(f"{s3_bucket}/releases/digits/v")
    local = open_store(str(bundle))
    for stat in local.list():
        bucket.write(stat.key, local.read(stat.key))
    assert predicted(capsys, bucket.uri, image) == predicted(capsys, str(bundle), image)
    bucket.write("classifier.safetensors", b"changed")
    refused(capsys, bucket.uri, image, "classifier.safetensors: ")


def test_the_table_names_class_and_confidence(world, capsys):
    images = sorted((world / "images").iterdir())[:2]
    main([str(world / "store" / "releases" / "digits"), *map(str, images), "--top", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["image", "class", "confidence", "2."]
    assert [line.split()[0] for line in lines[1:]] == [str(image) for image in images]
    assert all(line.split()[2].endswith("%") for line in lines[1:])


def refused(capsys, release: str, image: str, *said: str) -> None:
    with pytest.raises(SystemExit) as end:
        main([release, image])
    assert end.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.splitlines()) == 1
    for part in said:
        assert part in output.err


@pytest.mark.parametrize(
    "name", ["classifier.safetensors", "classifier.json", "preprocessing.json", "calibration.json", "metrics.json"]
)
def test_one_changed_byte_anywhere_is_refused(world, bundle, capsys, name):
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    expected = read_json(bundle / "release.json")["files"][name]["sha256"]
    refused(capsys, str(bundle), str(next((world / "images").iterdir())), f"{name}: its sha256 is ", expected)


def test_a_changed_release_json_a_missing_file_and_a_missing_place_are_refused(world, bundle, tmp_path, capsys):
    image = str(next((world / "images").iterdir()))
    about = read_json(bundle / "release.json")
    write_json(bundle / "release.json", {**about, "temperature": 0.01})
    refused(capsys, str(bundle), image, "release.json: expected contents of version")
    write_json(bundle / "release.json", about)
    (bundle / "calibration.json").unlink()
    refused(capsys, str(bundle), image, "calibration.json: not there")
    refused(capsys, str(tmp_path / "nowhere"), image, "no such file or folder")
    refused(capsys, str(world / "images"), image, "neither release.json nor champion.json")
    write_json(
        tmp_path / "record" / "release.json", {"promoted": False, "published": "", "why": "not released: max_ece: …"}
    )
    refused(capsys, str(tmp_path / "record"), image, "nothing was published: not released: max_ece")


def test_an_unreadable_image_is_a_line_and_the_others_are_still_answered(world, tmp_path, capsys):
    good = sorted(map(str, (world / "images").iterdir()))[:2]
    (tmp_path / "text.png").write_text("no image")
    images = [good[0], str(tmp_path / "text.png"), str(tmp_path / "absent.png"), good[1]]
    with pytest.raises(SystemExit) as end:
        main([str(world / "store" / "releases" / "digits"), *images, "--json"])
    assert end.value.code == 2
    output = capsys.readouterr()
    answers = json.loads(output.out)
    assert [sorted(answer) for answer in answers] == [
        ["class", "confidence", "image", "top"],
        ["error", "image"],
        ["error", "image"],
        ["class", "confidence", "image", "top"],
    ]
    assert output.err.splitlines() == [
        f"error: predict: {tmp_path / 'text.png'}: "
        "not a JPEG, PNG, WebP, AVIF, HEIC, JPEG 2000, TIFF, BMP, GIF or PPM image",
        f"error: predict: {tmp_path / 'absent.png'}: No such file or directory",
    ]
    with pytest.raises(SystemExit):
        main([str(world / "store" / "releases" / "digits"), *images])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["image", *good]
