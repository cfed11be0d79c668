"""A release: files that never change, under a version that is the digest of their contents.

    releases/<model>/<version>/   classifier.safetensors  classifier.json  preprocessing.json
                                  calibration.json  metrics.json  gate.json  release.json (written last)

release.json lists every file with its sha256 and size, and `version` is the digest of the rest of release.json: whoever
has the version can verify all of it. Which release is the champion stands beside them (champion.py).
"""

import json
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_bytes, sha256_json
from components.common.storage import IntegrityError, Store

FORMAT = 1
DIGITS = 16  # of the sha256 in a version
CHANGED = "it was changed after its release"
FILES = (
    "classifier.safetensors",
    "classifier.json",
    "preprocessing.json",
    "calibration.json",
    "metrics.json",
    "gate.json",
)


def describe(files: dict[str, bytes], about: dict[str, Any]) -> dict[str, Any]:
    """release.json: `about` (model name, classes, temperature, settings, digests), every file by digest, and the
    version that follows.
    """
    listed = {name: {"sha256": sha256_bytes(data), "size": len(data)} for name, data in files.items()}
    content = {"format": FORMAT, **about, "files": listed}
    return {**content, "version": version_of(content)}


def version_of(content: dict[str, Any]) -> str:
    """Digest of release.json without its version."""
    return sha256_json({key: value for key, value in content.items() if key != "version"})[:DIGITS]


def publish(store: Store, release: dict[str, Any], files: dict[str, bytes]) -> str:
    """Write the files and, last, release.json, each only where it is absent; returns the bundle's key, which ends in a
    slash.

    Raises IntegrityError where another content stands under a name, as after tampering.
    """
    folder = f"releases/{release['model']}/{release['version']}/"
    for name, data in [*files.items(), ("release.json", json_text(release).encode())]:
        if not store.write_if_absent(folder + name, data) and store.read(folder + name) != data:
            raise IntegrityError(
                f"{store.uri}/{folder}{name}: holds something else than this release; delete the folder and "
                "release again"
            )
    return folder


def locate(release: str) -> str:
    """The folder or URI that holds release.json or champion.json, from what the user gave."""
    if release.startswith("s3://"):
        return release.rstrip("/").removesuffix("/release.json").removesuffix("/champion.json")
    path = Path(release).expanduser()
    file = path if path.is_file() else path / "release.json"
    if not path.exists():
        raise BadInputError(
            f"{release}: no such file or folder; expected a release, as …/releases/<model>/<version> or "
            "…/releases/<model>"
        )
    if not file.is_file():
        return str(path)
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInputError(f"{file}: expected JSON, found something else ({error})") from None
    if "promoted" not in record:  # the bundle's own release.json, or champion.json
        return str(file.parent)
    if not record["published"]:
        raise BadInputError(f"{file}: nothing was published: {record['why']}")
    return str(record["published"])


def verified_release(store: Store, folder: str) -> dict[str, Any]:
    """release.json under `folder` ("" or a key that ends in a slash), its version verified against its content."""
    release = _json(store, folder + "release.json")
    found = version_of(release)
    if release.get("version") != found:
        raise IntegrityError(
            f"{store.uri}/{folder}release.json: expected contents of version {release.get('version')}, "
            f"found those of {found}; {CHANGED}"
        )
    return release


def verified_file(store: Store, folder: str, release: dict[str, Any], name: str) -> bytes:
    """Bytes of one file of a release, of the size and sha256 that release.json demands."""
    expected = release["files"][name]
    try:
        return store.read_verified(folder + name, expected["sha256"], expected["size"])
    except IntegrityError as error:
        raise IntegrityError(f"{error}; {CHANGED}") from None


def find(store: Store) -> tuple[str, dict[str, Any]]:
    """The release that a place holds: its own release.json, or the version that its champion.json points at.

    Returns the key of the bundle relative to the store, "" or ending in a slash, and its release.json.
    """
    if store.stat("release.json") is not None:
        return "", verified_release(store, "")
    if store.stat("champion.json") is None:
        raise BadInputError(
            f"{store.uri}: holds neither release.json nor champion.json; "
            "expected …/releases/<model>/<version> or …/releases/<model>"
        )
    version = _json(store, "champion.json")["version"]
    if version is None:
        raise BadInputError(f"{store.uri}: has no champion yet; `gleaner release approve VERSION` makes one")
    release = verified_release(store, f"{version}/")
    if release["version"] != version:
        raise IntegrityError(
            f"{store.uri}/{version}/release.json: expected version {version}, found {release['version']}; {CHANGED}"
        )
    return f"{version}/", release


def _json(store: Store, key: str) -> dict[str, Any]:
    try:
        return json.loads(store.read(key))
    except KeyError:
        raise BadInputError(f"{store.uri}/{key}: no such object; release again, or name another version") from None
    except ValueError as error:
        raise IntegrityError(f"{store.uri}/{key}: expected JSON, found something else ({error}); {CHANGED}") from None
