"""Near-duplicates through the whole stage: one split for a group, nothing leaks, everything is said."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.common.artifacts import SPLITS, TEST, TRAIN, VALIDATION, Dataset, load_dataset
from components.common.data.reader import ShardReader
from components.common.data.splits import split_of
from components.common.errors import BadInputError
from components.common.files import sha256_bytes, sha256_tree
from components.common.storage import open_store
from components.ingest.quality.quality import TITLES
from components.ingest.settings import Gates, IngestSettings
from components.ingest.source.splits import precedence, split_for
from components.ingest.stage import run
from components.ingest.version.groups import BRIDGE, GIVEN, Member, decide
from tests import natural
from tests.ingest.test_ingest import fill


def ingest(source: str, out: Path, **settings: Any) -> tuple[Dataset, dict[str, Any], str]:
    """The dataset, the findings of quality.json, and the report."""
    run(
        source,
        "photos",
        str(out / "store"),
        IngestSettings(**{"processes": 1, **settings}),
        out / "dataset",
        out / "report.html",
    )
    quality = json.loads((out / "dataset" / "quality.json").read_text())
    assert list(quality["findings"]) == sorted(TITLES)
    return load_dataset(out / "dataset"), quality["findings"], (out / "report.html").read_text()


def pictures(copies: str, original: str = "a", step: int = 150) -> dict[str, bytes]:
    """Photos under `original`/, and a cropped, resized and re-encoded copy of each under `copies`/."""
    draws = np.random.default_rng(3)
    images = natural.patches(128, step)
    files = {f"{original}/{number:02d}.png": natural.encoded(image) for number, image in enumerate(images)}
    return files | {
        f"{copies}/{number:02d}.jpg": natural.encoded(natural.copy(image, "all three", draws), "JPEG")
        for number, image in enumerate(images)
    }


def test_a_group_is_named_after_its_first_member_and_shares_its_split(tmp_path: Path) -> None:
    files = pictures("b")
    source = fill(tmp_path / "photos", files)
    dataset, findings, html = ingest(source, tmp_path / "one")
    rows = {row["source"]: row for row in dataset.index.to_pylist()}
    joined = 0
    for key in [key for key in files if key.startswith("a/")]:
        one = rows[key]
        other = rows[key.replace("a/", "b/").replace("png", "jpg")]
        if one["group"] == other["group"]:
            joined += 1
            assert one["group"] == min(one["id"], other["id"])
            assert one["split"] == other["split"] == split_of(one["group"])
    near = findings["near_duplicates"]["count"]
    assert joined == near + findings["edited_copies"]["count"]
    assert near >= 0.9 * len(files) / 2
    assert findings["group_label_conflicts"]["count"] == joined, "a and b are classes here"
    assert findings["leaks"]["count"] == 0
    assert "Near-duplicates, different labels" in html
    reader = ShardReader(dataset, open_store(str(tmp_path / "one" / "store")))
    assert [sha256_bytes(reader.image_bytes(row)) for row in range(len(files))] == dataset.column("id").tolist()
    for shard, _ in enumerate(dataset.shards):
        assert len(set(dataset.column("split")[dataset.column("shard") == shard])) == 1


def test_equal_bytes_whatever_the_workers_and_equal_groups_whatever_the_names(tmp_path: Path) -> None:
    files = pictures("b")
    source = fill(tmp_path / "photos", files)
    first, _, _ = ingest(source, tmp_path / "one")
    ingest(source, tmp_path / "two", processes=2)
    assert sha256_tree(tmp_path / "one") == sha256_tree(tmp_path / "two")
    renamed = {f"{key[0]}/{sha256_bytes(key.encode())[:8]}{key[-4:]}": data for key, data in files.items()}
    other, _, _ = ingest(fill(tmp_path / "renamed", renamed), tmp_path / "three")
    for column in ("id", "group", "split", "label"):
        assert first.column(column).tolist() == other.column(column).tolist()


def test_what_looks_like_a_given_test_image_is_set_aside(tmp_path: Path) -> None:
    files = pictures("train/x", original="test/x", step=120)
    dataset, findings, html = ingest(fill(tmp_path / "photos", files), tmp_path)
    rows = {row["source"]: row for row in dataset.index.to_pylist()}
    given = [key for key in files if key.startswith("test/")]
    assert all(rows[key]["split"] == TEST for key in given)
    assert sum(row["split"] == TEST for row in rows.values()) == len(given)
    aside = {item["set_aside"]["source"] for item in findings["leaks"]["items"]}
    assert aside == set(files) - set(rows)
    assert findings["leaks"]["count"] == len(aside) >= 0.85 * len(given)
    assert all(item["kept"]["source"][5:-4] == item["set_aside"]["source"][6:-4] for item in findings["leaks"]["items"])
    assert "train like test" in html
    assert sum(shard.images for shard in dataset.shards) == len(rows)
    reader = ShardReader(dataset, open_store(str(tmp_path / "store")))
    assert [sha256_bytes(reader.image_bytes(row)) for row in range(len(rows))] == dataset.column("id").tolist()


def test_edited_copies_share_a_split_and_are_a_finding_of_their_own_in_later_versions_too(tmp_path: Path) -> None:
    photos = natural.patches(160, 110)[:12]
    files = {f"a/{number:02d}.png": natural.encoded(image) for number, image in enumerate(photos)}
    dark = {
        f"b/{number:02d}.png": natural.encoded(image.point(lambda v: v * 0.6)) for number, image in enumerate(photos)
    }
    for added in ({}, dark, {"a/twice.jpg": natural.encoded(photos[0], "JPEG", quality=90)}):
        files |= added
        dataset, findings, html = ingest(fill(tmp_path / "photos", files), tmp_path)
    rows = {row["source"]: row for row in dataset.index.to_pylist()}
    pairs = [(rows[key], rows[key.replace("b/", "a/")]) for key in dark]
    joined = [one["split"] == other["split"] for one, other in pairs if one["group"] == other["group"]]
    assert all(joined)
    assert len(joined) >= 0.8 * len(dark)
    assert (findings["edited_copies"]["count"], findings["near_duplicates"]["count"]) == (len(joined), 1)
    assert all(len(item["images"]) == 2 for item in findings["edited_copies"]["items"]), "one of each set"
    assert html.index("<h2>Near-duplicates</h2>") < html.index("<h2>Edited copies</h2>")
    with pytest.raises(BadInputError, match="edited_copies"):
        ingest(str(tmp_path / "photos"), tmp_path, gates={"edited_copies": len(joined) - 1})


GIVENS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([None, *SPLITS]), min_size=2)
DECIDED = [("u", TRAIN), ("v", TRAIN), ("w", TEST), ("x", VALIDATION)]
EARLIER = st.dictionaries(st.sampled_from("uvwxyz"), st.sampled_from(DECIDED), min_size=1)


@given(GIVENS)
def test_a_group_has_one_split_and_keeps_what_was_given_to_it(given: dict[str, str | None]) -> None:
    brought = frozenset(split for split in given.values() if split)
    verdicts = decide([Member(image, split) for image, split in given.items()], brought)
    kept = sorted(image for image, verdict in verdicts.items() if not verdict.aside)
    ((name, split),) = {(verdict.group, verdict.split) for verdict in verdicts.values()}
    assert name == kept[0]
    held = [image for image in sorted(given) if given[image] in (TEST, "calibration", VALIDATION)]
    if held:
        assert kept == [image for image in held if given[image] == split]
        assert all(precedence(split) <= precedence(given[image]) for image in given)
    else:
        assert (kept, split) == (sorted(given), split_for(min(given), None, brought))


@given(EARLIER, GIVENS, st.sets(st.sampled_from(SPLITS)))
def test_what_an_earlier_version_decided_stays_and_new_images_join_one_split(
    earlier: dict[str, tuple[str, str]], given: dict[str, str | None], brought: set[str]
) -> None:
    old = [Member(image, None, split, group) for image, (group, split) in earlier.items()]
    verdicts = decide([*old, *(Member(image, split) for image, split in given.items())], frozenset(brought))
    assert {image: (verdicts[image].group, verdicts[image].split) for image in earlier} == earlier
    assert not any(verdicts[image].aside for image in earlier)
    splits = {split for _, split in earlier.values()}
    for image in given:
        verdict = verdicts[image]
        if len(splits) > 1:
            assert verdict.aside == BRIDGE
        elif verdict.aside:
            assert verdict.aside == GIVEN
            assert given[image] in (TEST, VALIDATION, "calibration") or splits <= brought
        else:
            assert {verdict.split} == splits
            assert verdict.group in {group for group, _ in earlier.values()}


def messy() -> dict[str, bytes]:
    """One of everything, beside 24 ordinary photos of two classes."""
    plain = natural.patches(128, 110)
    files = {f"{'ab'[number % 2]}/{number:02d}.png": natural.encoded(image) for number, image in enumerate(plain[:24])}
    cut = natural.encoded(plain[30], "JPEG", quality=90)
    return files | {
        "a/cut.jpg": cut[: len(cut) // 2],
        "a/text.png": b"no image",
        "gone/x.gif": b"",
        "a/again.png": files["a/00.png"],
        "b/other.png": files["a/02.png"],
        "b/small.jpg": natural.encoded(plain[4].resize((96, 96)), "JPEG"),
        "rose/one.png": natural.encoded(plain[31]),
        "a/grey.png": natural.encoded(Image.new("RGB", (128, 128), "grey")),
        "a/tiny.png": natural.encoded(plain[32].resize((20, 20))),
        "a/wide.png": natural.encoded(Image.fromarray(np.asarray(plain[33]).reshape(64, 256, 3))),
    }


def test_findings_of_a_messy_source(tmp_path: Path) -> None:
    _, findings, html = ingest(fill(tmp_path / "photos", messy()), tmp_path)
    in_train = split_of(sha256_bytes(messy()["rose/one.png"])) == TRAIN
    assert {name: finding["count"] for name, finding in findings.items()} == {
        "unreadable": 2,
        "truncated": 1,
        "passed_over": 0,
        "exact_duplicates": 2,
        "near_duplicates": 1,
        "edited_copies": 0,
        "leaks": 0,
        "label_conflicts": 1,
        "group_label_conflicts": 1,
        "rare_classes": 1,
        "missing_classes": 1 if in_train else 2,
        "size_outliers": 1,
        "aspect_outliers": 1,
        "blank": 1,
        "drift": 0,
    }
    assert findings["label_conflicts"]["items"][0]["labels"] == ["a", "b"]
    assert findings["rare_classes"]["items"] == [{"class": "rose", "images": 1}]
    assert findings["missing_classes"]["items"][0] == {"class": "gone", "images": 0, "train": 0}
    assert findings["size_outliers"]["items"][0]["source"] == "a/tiny.png"
    assert findings["size_outliers"]["items"][0]["times_the_median"] == pytest.approx((20 / 128) ** 2, abs=1e-4)
    assert findings["aspect_outliers"]["items"][0]["times_the_median"] == 4
    assert findings["blank"]["items"][0]["source"] == "a/grey.png"
    places = [
        html.index(f"<h2>{title}</h2>")
        for title in ("Near-duplicates", "Rare classes", "Unusual sizes", "Blank images")
    ]
    assert all(before < after for before, after in pairwise(places))


def test_a_gate_stops_the_run_with_one_line_and_leaves_the_report(tmp_path: Path) -> None:
    source = fill(tmp_path / "photos", messy())
    with pytest.raises(BadInputError) as stopped:
        ingest(source, tmp_path / "out", gates={"blank": 0, "truncated": 0, "unreadable": 2})
    text = str(stopped.value)
    assert text.startswith("ingest.gates: 1 truncated (at most 0), 1 blank (at most 0); look at ")
    assert str(tmp_path / "out" / "report.html") in text
    assert "\n" not in text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.html", "store"]
    published = {path.name for path in (tmp_path / "out" / "store" / "datasets" / "photos").iterdir()}
    assert published == {"shards", "thumbnails", "plans"}, "no version"
    ingest(source, tmp_path / "out", gates=dict.fromkeys(TITLES, 3))
    assert set(Gates.model_fields) == set(TITLES)
