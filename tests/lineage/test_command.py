"""`gleaner lineage`: what it says of a release, an image and labels, in a folder and on a real S3 server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.common.artifacts import TRAIN
from components.common.data.images import png
from tests import tiny
from tests.lineage.world import ANNA, BOB, CLEO, LOOK, World, copied, says

ROOT = Path(__file__).parents[2]


def section(text: str, title: str) -> list[str]:
    """Lines of a section, without its heading's row."""
    (lines,) = re.findall(rf"^{re.escape(title)}[^\n]*\n((?:  .*\n)*)", text, re.M)
    return [line.strip() for line in lines.splitlines()][1:]


def test_a_release_says_what_it_is_made_of(world: World, capsys):
    text = says(capsys, world.uri)
    assert text.startswith(f"release {world.second} of digits\n  state          champion\n")
    assert f"dataset        digits {world.made.data.id[:12]}, 900 images (" in text
    assert f"compared with  {world.first}" in text
    lines = [re.split(r"\s{3,}", line) for line in section(text, "labels")]
    assert [CLEO, "2", "1", "0", "0", "0"] in lines
    assert [BOB, "1", "20", "0", "0", "0"] in lines
    assert [BOB, "2", "39", "0", "0", "0"] in lines
    assert sum(int(line[2]) for line in lines) == 100
    assert any("approved" in line and "fewer wrong sevens" in line for line in section(text, "decisions"))
    assert section(text, "answers")[0].startswith("2 ")
    older = says(capsys, world.uri, world.first[:5])
    assert older.startswith(f"release {world.first} of digits\n  state          superseded\n")
    assert "compared with  no champion" in older


def test_an_image_says_where_it_is_who_said_what_and_who_learned(world: World, capsys, tmp_path):
    row = world.rows[TRAIN][0]
    text = says(capsys, world.uri, world.image(row)[:9])
    assert text.startswith(f"image {world.image(row)}\n  learned from it  2 of the 2 releases below\n")
    assert "round 1   train   typical of its cluster   candidates/digits/0123456789ab" in text
    first, second = section(text, "labels of people")
    assert "anna" in first
    assert first.endswith("replaced or withdrawn")
    assert second.endswith("-")
    assert len(section(text, "answers")) == 2
    source = world.made.data.column("source")[row]
    file = tmp_path / "photo.png"
    file.write_bytes(png(tiny.Image.fromarray(tiny.small_digits(900)[0][int(source.removesuffix(".png"))])))
    assert says(capsys, world.uri, str(file)) == text


def test_which_releases_learned_from_this_image(world: World, capsys):
    late = world.image(world.rows[TRAIN][-1])
    text = says(capsys, world.uri, late, "--releases")
    lines = {line.split()[1]: line for line in section(text, "releases")}
    assert "learned from it without a label" in lines[world.first]
    assert re.search(
        rf"champion +yes +learned from its label +{world.classes[world.rows[TRAIN][-1]]} +bob$", lines[world.second]
    )
    told = json.loads(says(capsys, world.uri, late, "--releases", "-o", "json"))
    assert {one["version"]: (one["how"], one["learned"]) for one in told} == {
        world.first: ("unlabelled", True),
        world.second: ("labelled", True),
    }
    assert "none learned from it" in says(capsys, world.uri, "0" * 64, "--releases")


def test_an_image_that_only_a_server_saw(world: World, capsys):
    text = says(capsys, world.uri, world.new[:4])
    assert "learned from it  no release that is known" in text
    assert "datasets: none holds it" in text
    asked = f"look 12   -     new to the model   {LOOK}/0123456789abcdef/candidates.parquet"
    assert section(text, "asked") == [asked]
    (answer,) = section(text, "answers")
    assert f"digits {world.second}" in answer
    assert "the serving log was not looked at" in says(capsys, world.uri, world.new, "--no-log")
    missing = says(capsys, world.uri, world.new[:4], "--no-log", code=2)
    assert "nor an image that" in missing


def test_what_one_person_said(world: World, capsys):
    image = world.image(world.disputed)
    text = says(capsys, world.uri, f"{image[:8]}@{CLEO}")
    (label,) = section(text, "labels")
    assert label.endswith("others differ")
    lines = section(text, "releases")
    assert any(world.second in line and "taken" in line for line in lines)
    assert any(world.first in line and "the image without a label" in line for line in lines)
    text = says(capsys, world.uri, f"{image}@{BOB}")
    assert any(world.second in line and "another's, the same" in line for line in section(text, "releases"))
    text = says(capsys, world.uri, f"{image}@{ANNA}")
    assert any(world.second in line and "another label" in line for line in section(text, "releases"))
    text = says(capsys, world.uri, f"{world.image(world.withdrawn)}@{ANNA}")
    assert [line.rpartition("   ")[2] for line in section(text, "labels")] == ["replaced or withdrawn", "a withdrawal"]
    everything = says(capsys, world.uri, f"@{BOB}")
    assert "answers  60 about 60 images" in everything


def test_a_batch_of_labels(world: World, capsys):
    name = world.batches[1].rpartition("/")[2]
    text = says(capsys, world.uri, name)
    assert text.startswith(f"labels of batch {name.removesuffix('.parquet')}\n  answers  20 about 20 images\n")
    for version in (world.first, world.second):
        assert any(
            re.search(rf"{version} +20 +taken +learned from its label", line) for line in section(text, "releases")
        )
    assert says(capsys, world.uri, name[:12]) == text
    assert says(capsys, world.uri, f"{world.uri}/{world.batches[1]}") == text


def test_every_image_of_a_release(world: World, capsys):
    lines = [line.split("\t") for line in says(capsys, world.uri, world.first[:6], "--images").splitlines()]
    how = {line[0]: line[1] for line in lines}
    assert len(how) == len(lines) == world.made.data.counts()[TRAIN] + 120
    assert [how[world.image(row)] for row in world.rows[TRAIN][[0, 60]]] == ["labelled", "unlabelled"]
    first = json.loads(says(capsys, world.uri, "--images", "-o", "json").splitlines()[0])
    assert first.keys() == {"id", "how", "label", "by"}


def test_what_was_collected_is_said_to_be_unknown(world: World, tmp_path, capsys):
    store = copied(world.store, str(tmp_path / "store"), lambda key: key.startswith("datasets/"))
    text = says(capsys, store.uri)
    assert f"dataset        digits {world.made.data.id[:12]}, which is gone" in text
    assert "which images it learned from without a label: its dataset" in text
    image = says(capsys, store.uri, world.image(world.rows[TRAIN][-1]))
    assert f"whether digits {world.first} learned from it: its dataset digits" in image
    assert "is gone" not in image
    assert "is not in the store any more" in says(capsys, store.uri, "--images", code=2)


def test_a_release_whose_files_were_changed_tells_what_is_left(world: World, tmp_path, capsys):
    store = copied(world.store, str(tmp_path / "store"))
    store.write(f"releases/digits/{world.second}/metrics.json", b"{}")
    text = says(capsys, store.uri)
    assert "accuracy" not in text
    assert "metrics.json" in text.partition("\nnot known\n")[2]
    store.write(f"releases/digits/{world.second}/release.json", b'{"format": 2, "version": "1"}')
    assert "was changed after its release" in says(capsys, store.uri, code=2)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["photo.png"], "is no file that is here"),
        (["beef0"], "neither a release of digits nor an image"),
        (["abc"], "is no file that is here, and no name of anything"),
        (["bob@"], "names nobody after the @"),
        (["zzzz@bob"], "is no id of an image"),
        (["@nobody"], "there is nothing; `gleaner labels status` says who answered"),
        (["0009-abcdef"], "there is nothing"),
        (["@bob", "--releases"], "--releases asks about an image"),
        (["@bob", "--images"], "--images asks about a release"),
        (["a", "b"], "expected one thing"),
        (["--picture", "/proc/nowhere/x.svg"], "cannot be written"),
        (["--log", "gs://bucket"], "is not a place that is known"),
    ],
)
def test_bad_input_is_one_line(world: World, capsys, words, why):
    assert why in says(capsys, world.uri, *words, code=2)


def test_digits_that_several_begin_with_are_refused_with_their_names(world: World, tmp_path, capsys):
    prefixes = [image[:4] for image in map(str, world.ids)]
    twice = next(prefix for prefix in prefixes if prefixes.count(prefix) > 1)
    assert f"more than one begins so: image {twice}" in says(capsys, world.uri, twice, code=2)
    store = copied(world.store, str(tmp_path / "store"))
    name = world.batches[1].rpartition("/")[2][:12]
    store.write(f"labels/digits/{name}aaaaa.parquet", store.read(world.batches[1]))
    assert f"{name}: more than one batch begins so" in says(capsys, store.uri, name, code=2)


def test_an_empty_store_has_no_champion(tmp_path, capsys):
    assert "has no champion yet" in says(capsys, str(tmp_path / "store"), code=2)


def test_on_s3_it_says_the_same(world: World, s3_bucket, capsys):
    store = copied(world.store, f"{s3_bucket}/gleaner")
    for words in ([], [world.first], [world.image(world.rows[TRAIN][0])], [f"@{BOB}"], [f"{world.new[:4]}"]):
        here, there = (says(capsys, uri, *words) for uri in (world.uri, store.uri))
        assert there == here.replace(world.uri, store.uri)


def test_by_gleaner_with_a_configuration_and_without_torch_or_kfp(world: World, tmp_path):
    (tmp_path / "my.yaml").write_text(
        f"version: 2\nname: digits\nsource: photos\nstore: {world.uri}\nmonitor: {{log: {tmp_path / 'elsewhere'}}}\n"
    )
    blocked = tmp_path / "blocked"
    for module in ("torch", "torchvision", "kfp", "scipy", "sklearn", "dulwich"):
        (blocked / module).mkdir(parents=True)
        (blocked / module / "__init__.py").write_text("raise ImportError('not here')\n")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "lineage", "-c", "my.yaml", "--picture", "out.svg"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{blocked}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"release {world.second} of digits\n")
    assert f"answers: none in {tmp_path / 'elsewhere'}, a sample of what is served" in done.stdout
    assert (tmp_path / "out.svg").read_text().startswith("<svg ")
