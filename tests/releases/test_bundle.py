"""The bundle in a folder and in a real S3 store: immutable, verified to the byte, found by version and by champion."""

import json

import pytest

from components.common.errors import BadInputError
from components.common.storage import IntegrityError, open_store
from components.releases.bundle import describe, find, publish, verified_file, version_of
from components.releases.champion import promote, reject

HOW = {"who": "anna", "why": "looks right", "source": "a test"}
FILES = {"weights": b"\x00\x01", "about.json": b"{}"}


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path):
    return str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("s3_bucket") + "/gleaner"


def release(number: int) -> dict:
    return describe(FILES, {"model": "m", "temperature": 1.5, "seed": number})


def test_the_version_is_the_digest_of_all_that_is_released():
    one = release(1)
    assert one == release(1)
    assert one["version"] == version_of(one) != release(2)["version"]
    assert (
        describe({**FILES, "weights": b"\x00\x02"}, {"model": "m"})["version"]
        != describe(FILES, {"model": "m"})["version"]
    )
    assert one["files"]["weights"]["size"] == 2
    assert len(one["version"]) >= 12


def test_what_was_published_is_found_by_version_and_by_champion(place):
    store = open_store(place)
    made = release(1)
    folder = publish(store, made, FILES)
    assert publish(store, made, FILES) == folder == f"releases/m/{made['version']}/"
    assert find(open_store(f"{place}/{folder}".rstrip("/"))) == ("", made)
    model = open_store(f"{place}/releases/m")
    reject(store, "m", "another", **HOW)
    with pytest.raises(BadInputError, match="has no champion yet; `gleaner release approve VERSION` makes one"):
        find(model)
    assert promote(store, made, expected=None, **HOW)
    found, about = find(model)
    assert (found, about) == (f"{made['version']}/", made)
    assert {name: verified_file(model, found, about, name) for name in FILES} == FILES
    newer = release(2)
    publish(store, newer, FILES)
    assert promote(store, newer, expected=made["version"], **HOW)
    assert find(model)[1] == newer


def test_a_changed_byte_is_refused_with_its_name_what_was_expected_and_what_was_found(place):
    store = open_store(place)
    made = release(1)
    folder = publish(store, made, FILES)
    for changed in (b"\x00\x03", b"\x00", b"\x00\x01\x02"):
        store.write(folder + "weights", changed)
        expected = made["files"]["weights"]["sha256"][:16]
        with pytest.raises(IntegrityError, match=rf"{folder}weights: .*, but .* of sha256 {expected}") as refusal:
            verified_file(store, folder, made, "weights")
        assert "\n" not in str(refusal.value)
    with pytest.raises(IntegrityError, match="holds something else than this release"):
        publish(store, made, FILES)
    store.delete(folder + "weights")
    with pytest.raises(IntegrityError, match="weights: not there"):
        verified_file(store, folder, made, "weights")
    store.write(folder + "release.json", json.dumps({**made, "temperature": 0.1}).encode())
    with pytest.raises(IntegrityError, match=f"expected contents of version {made['version']}, found those of"):
        find(open_store(f"{place}/{folder}".rstrip("/")))
