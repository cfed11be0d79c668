"""The bundle in a folder and in a real S3 store: immutable, verified to the byte, its sums those of `sha256sum`."""

import json
import subprocess
from typing import Any

import pytest

from components.common.errors import BadInputError
from components.common.files import json_text
from components.common.storage import IntegrityError, open_store
from components.releases.bundle import describe, find, publish, store_of, sums_of, verified_file, version_of
from components.releases.champion import promote

FILES = {"weights": b"\x00\x01", "about.json": b"{}"}
BY = {"who": "a test", "why": "it must be", "source": "here"}


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
    assert promote(store, made, expected=None, **BY)
    model = open_store(f"{place}/releases/m")
    found, about = find(model)
    assert (found, about) == (f"{made['version']}/", made)
    assert {name: verified_file(model, found, about, name) for name in FILES} == FILES
    assert store_of(f"{model.uri}/{found}", about) == store.uri
    assert store_of(f"{place}/copy/{made['version']}", about) is None
    newer = release(2)
    publish(store, newer, FILES)
    assert promote(store, newer, expected=made["version"], **BY)
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


def test_sha256sum_checks_the_bundle(tmp_path):
    made = release(1)
    folder = tmp_path / publish(open_store(str(tmp_path)), made, FILES)
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["about.json: OK", "release.json: OK", "weights: OK"]
    (folder / "weights").write_bytes(b"\x00\x02")
    done = subprocess.run(check, cwd=folder, capture_output=True, text=True)
    assert (done.returncode, "weights: FAILED" in done.stdout) == (1, True)


def test_a_release_that_was_signed_keeps_its_signature_and_one_that_was_not_gets_one(place):
    store, made = open_store(place), release(1)
    publish(store, made, FILES)
    folder = publish(store, made, FILES, {"SHA256SUMS.pem": b"key 1", "SHA256SUMS.sig": b"by 1"})
    publish(store, made, FILES, {"SHA256SUMS.pem": b"key 2", "SHA256SUMS.sig": b"by 2"})
    assert (store.read(folder + "SHA256SUMS.pem"), store.read(folder + "SHA256SUMS.sig")) == (b"key 1", b"by 1")
    assert store.read(folder + "SHA256SUMS") == sums_of(made)


def test_releases_of_the_first_format_are_read_and_those_of_a_later_one_are_refused_in_one_line(tmp_path):
    store = open_store(str(tmp_path))
    for number in (1, 3):
        content: dict[str, Any] = {"format": number, "model": "m", "files": {}}
        content["version"] = version_of(content)
        store.write(f"{number}/release.json", json_text(content).encode())
    assert find(open_store(str(tmp_path / "1")))[1]["format"] == 1
    with pytest.raises(BadInputError, match=r"format 3 is not one this version reads \(1 or 2\)"):
        find(open_store(str(tmp_path / "3")))
