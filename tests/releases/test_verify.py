"""`gleaner release verify` on a release of the tiny world: a table where nothing was changed, else each difference."""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.common.errors import BadInputError
from components.common.files import json_text, read_json, sha256_bytes, write_json
from components.common.storage import open_store
from components.release.settings import ReleaseSettings
from components.release.stage import run
from components.releases.bundle import publish, sums_of, version_of
from components.releases.signature import PUBLIC, SIGNATURE, sign
from components.releases.verify import NOT_CHECKED, add_verify, command, verify
from tests import tiny


@pytest.fixture(scope="module")
def signed(
    tiny_world: tiny.World, tiny_evaluated: tiny.Evaluated, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, Path]:
    """A store with the dataset and a signed release of it, the release's key there, and the private key."""
    folder = tmp_path_factory.mktemp("signed")
    store, key = folder / "store", folder / "key"
    shutil.copytree(tiny_world.store, store)
    key.write_bytes(key_of())
    settings = ReleaseSettings(sign_key=str(key))
    run(
        tiny_world.classifier,
        tiny_evaluated.calibration,
        tiny_evaluated.evaluation,
        "digits",
        str(store),
        settings,
        folder / "release",
    )
    return store, "releases/digits/" + read_json(folder / "release" / "release.json")["version"], key


def key_of() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def bundle(signed: tuple[Path, str, Path], tmp_path: Path) -> Path:
    """The release in a copy of its store."""
    store, version, _ = signed
    shutil.copytree(store, tmp_path / "store")
    return tmp_path / "store" / version


def wrong(bundle: Path, key: Path | None = None) -> list[str]:
    return [line for check in verify(str(bundle), key) for line in check.wrong]


def sign_again(bundle: Path) -> None:
    """Make release.json, its folder's name, the sums and the signature those of what the bundle says now."""
    about = read_json(bundle / "release.json")
    about["version"] = version_of(about)
    (bundle / "release.json").write_text(json_text(about))
    (bundle / "SHA256SUMS").write_bytes(sums_of(about))
    (bundle / "forger.key").write_bytes(key_of())
    for name, data in sign(sums_of(about), str(bundle / "forger.key")).items():
        (bundle / name).write_bytes(data)
    (bundle / "forger.key").unlink()
    bundle.rename(bundle.with_name(about["version"]))


def test_all_that_is_as_it_was_is_a_table(bundle, capsys):
    assert command(str(bundle), bundle / PUBLIC) == 0
    said = capsys.readouterr()
    assert said.err == ""
    rows = {line.split("  ")[0]: line for line in said.out.splitlines()}
    assert [*rows] == ["version", "files", "SHA256SUMS", "signature", "provenance", "labels", "model", "dataset"]
    assert "as " in rows["signature"]
    assert "demands" in rows["signature"]
    assert "answers to 4 probe images as recorded" in rows["model"]
    assert "is in the store, 1 shards" in rows["dataset"]
    assert NOT_CHECKED not in said.out


def test_a_release_in_a_bucket_is_verified_alike(bundle, s3_bucket, capsys):
    store, root = open_store(f"{s3_bucket}/gleaner"), bundle.parents[2]
    for path in root.rglob("*"):
        if path.is_file() and path.name != ".gleaner.lock":
            store.upload(path.relative_to(root).as_posix(), path)
    place = f"{s3_bucket}/gleaner/{bundle.relative_to(root).as_posix()}"
    assert command(place, bundle / PUBLIC) == 0
    assert NOT_CHECKED not in capsys.readouterr().out
    store.delete(f"{bundle.relative_to(root).as_posix()}/model.onnx")
    assert command(place, None) == 2
    assert f"{place}/model.onnx: not there" in capsys.readouterr().err


def test_without_a_key_the_table_says_whose_key_was_believed(bundle, capsys):
    assert command(str(bundle), None) == 0
    assert "by the key in the release; name one that you trust with --key" in capsys.readouterr().out


def test_every_file_with_a_changed_byte_is_named(bundle, capsys):
    names = sorted(read_json(bundle / "release.json")["files"])
    for name in names:
        data = bytearray((bundle / name).read_bytes())
        data[len(data) // 2] ^= 1
        (bundle / name).write_bytes(data)
    assert command(str(bundle), None) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.partition(": its sha256")[0].rpartition("/")[2] for line in lines) == names
    assert all(line.startswith("error: release verify: ") for line in lines)
    assert all("it was changed after its release" in line for line in lines)


CHANGES: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "a file is gone": (lambda b: (b / "model.onnx").unlink(), ["model.onnx: not there"]),
    "a file was added": (lambda b: (b / "extra.txt").write_text("x"), ["extra.txt: is no file of this release"]),
    "the sums are gone": (lambda b: (b / "SHA256SUMS").unlink(), ["SHA256SUMS: not there"]),
    "a sum was changed": (
        lambda b: (b / "SHA256SUMS").write_text((b / "SHA256SUMS").read_text().replace("  README.md", "0  README.md")),
        ["SHA256SUMS: README.md has sha256"],
    ),
    "the sums are in another order": (
        lambda b: (b / "SHA256SUMS").write_text(
            "\n".join(sorted((b / "SHA256SUMS").read_text().splitlines(), reverse=True))
        ),
        ["its lines are in another order"],
    ),
    "the signature was changed": (
        lambda b: (b / SIGNATURE).write_text("AAAA"),
        ["SHA256SUMS.sig: the signature is not one of these bytes"],
    ),
    "the public key is no key": (lambda b: (b / PUBLIC).write_text("x"), ["SHA256SUMS.pem: holds no public key"]),
    "the public key is gone": (lambda b: (b / PUBLIC).unlink(), ["SHA256SUMS.pem: not there"]),
    "the folder has another name": (
        lambda b: b.rename(b.with_name("0" * 16)),
        ["lies in the folder of 0000000000000000"],
    ),
    "the dataset is gone": (
        lambda b: shutil.rmtree(next(p for p in (b.parents[2] / "datasets" / "digits").iterdir() if p.is_dir())),
        ["dataset.json: is gone"],
    ),
    "a shard is gone": (
        lambda b: next((b.parents[2] / "datasets" / "digits").glob("*.tar")).unlink(),
        [".tar: not there, but"],
    ),
    "a shard was cut": (
        lambda b: next((b.parents[2] / "datasets" / "digits").glob("*.tar")).write_bytes(b"x"),
        [".tar: 1 bytes, but"],
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_changed_is_said_a_line_each(bundle, what):
    change, expected = CHANGES[what]
    change(bundle)
    place = bundle if bundle.exists() else bundle.with_name("0" * 16)
    found = wrong(place)
    assert len(found) == len(expected), found
    for line, part in zip(found, expected, strict=True):
        assert part in line
        assert "\n" not in line


def test_release_json_itself_is_the_version(bundle):
    about = read_json(bundle / "release.json")
    write_json(bundle / "release.json", {**about, "temperature": 9.0})
    with pytest.raises(BadInputError, match=f"expected contents of version {about['version']}, found those of"):
        verify(str(bundle))


def test_whoever_makes_everything_fit_again_still_lacks_the_key(bundle):
    trusted = bundle.parents[3] / "trusted.pem"
    trusted.write_bytes((bundle / PUBLIC).read_bytes())
    about = read_json(bundle / "release.json")
    write_json(bundle / "release.json", {**about, "temperature": 9.0})
    sign_again(bundle)
    (forged,) = bundle.parent.glob("????????????????")
    assert wrong(forged) == []
    (line,) = wrong(forged, trusted)
    assert "the signature is not one of these bytes by this key" in line


def test_an_unsigned_release_where_a_signature_is_demanded_is_refused(bundle, signed):
    trusted = bundle.parents[3] / "trusted.pem"
    shutil.move(bundle / PUBLIC, trusted)
    (bundle / SIGNATURE).unlink()
    (line,) = wrong(bundle, trusted)
    assert "SHA256SUMS.sig: not there" in line
    assert {check.what: check.said for check in verify(str(bundle))}["signature"] == "none"
    with pytest.raises(BadInputError, match="holds a private key; expected the public one"):
        verify(str(bundle), signed[2])


def test_provenance_that_says_something_else_than_the_release_is_told(bundle):
    about, said = (read_json(bundle / name) for name in ("release.json", "provenance.json"))
    definition = said["predicate"]["buildDefinition"]
    definition["externalParameters"]["settings"] = {"seed": 7}
    definition["resolvedDependencies"][0]["digest"] = {"gleanerDataset": "0" * 64}
    said["subject"][0]["digest"]["sha256"] = "1" * 64
    del said["predicate"]["runDetails"]
    write_json(bundle / "provenance.json", said)
    data = (bundle / "provenance.json").read_bytes()
    about["files"]["provenance.json"] = {"sha256": sha256_bytes(data), "size": len(data)}
    write_json(bundle / "release.json", about)
    sign_again(bundle)
    (forged,) = bundle.parent.glob("????????????????")
    lines = wrong(forged)
    parts = ("settings is {'seed': 7}", "builder.id is missing", "subject README.md", "dependency dataset has digest")
    assert len(lines) == len(parts)
    for line, part in zip(lines, parts, strict=True):
        assert part in line
        assert "release.json says" in line


def test_a_copy_outside_of_a_store_names_what_was_not_checked(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "copy")
    said = {check.what: check for check in verify(str(tmp_path / "copy"))}
    assert said["dataset"].said.startswith(NOT_CHECKED)
    assert said["dataset"].wrong == []
    found = {check.what: check for check in verify(str(tmp_path / "copy"), store=str(bundle.parents[2]))}
    assert "is in the store" in found["dataset"].said


def test_a_release_of_the_first_format_is_verified_as_far_as_it_goes(tmp_path, capsys):
    content = {"format": 1, "model": "m", "files": {}}
    made = {**content, "version": version_of(content)}
    folder = publish(open_store(str(tmp_path)), made, {})
    (tmp_path / folder / "SHA256SUMS").unlink()
    assert command(str(tmp_path / folder), None) == 0
    assert "format 1, of an earlier version of Gleaner" in capsys.readouterr().out


def test_the_command_takes_the_words_of_its_help(bundle, capsys):
    parser = argparse.ArgumentParser()
    add_verify(parser.add_subparsers())
    options = parser.parse_args(["verify", str(bundle), "--key", str(bundle / PUBLIC)])
    assert options.run(options) == 0
    assert "provenance" in capsys.readouterr().out
