"""A release: files that never change, under a version that is the digest of their contents.

    releases/<model>/<version>/
        classifier.safetensors  classifier.json  model.onnx  [model.int8.onnx]  preprocessing.json  calibration.json
        metrics.json  gate.json  labels.parquet  labels.json  [label_advice.json]
        reference.parquet  reference.json  probe.json  report.html  README.md  provenance.json
        SHA256SUMS  [SHA256SUMS.sig  SHA256SUMS.pem]  release.json (written last)  [forgotten.json]

release.json lists every file above it but the sums and their signature, with sha256 and size, and `version` is the
digest of the rest of release.json: whoever has the version can verify all of it. SHA256SUMS says the same, and the
digest of release.json, in the words of `sha256sum`; so its signature covers everything, and another key signs the same
version again. Which release is the champion stands beside them (champion.py).

The one thing that changes a release is `gleaner forget`: of the files in REWRITABLE, which tell of images and answer
nothing, it writes some anew without the images, and their new digests into forgotten.json, before the files themselves.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.common.files import json_text, sha256_bytes, sha256_json
from components.common.storage import IntegrityError, Store, open_store
from components.releases.signature import SIGNATURE

FORMAT = 2
DIGITS = 16  # of the sha256 in a version
CHANGED = "it was changed after its release"
RELEASE, SUMS = "release.json", "SHA256SUMS"
FILES = (
    "classifier.safetensors",
    "classifier.json",
    "model.onnx",
    "preprocessing.json",
    "calibration.json",
    "metrics.json",
    "gate.json",
    "labels.parquet",
    "labels.json",
    "reference.parquet",
    "reference.json",
    "probe.json",
    "report.html",
    "README.md",
    "provenance.json",
)
"""What every release of format 2 lists; those of format 1 have no ONNX file, and serve no more."""
OPTIONAL = ("model.int8.onnx", "label_advice.json")
FORGOTTEN = "forgotten.json"
REWRITABLE = (
    "labels.parquet",
    "labels.json",
    "label_advice.json",
    "metrics.json",
    "reference.parquet",
    "reference.json",
    "report.html",
    "README.md",
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


def sums_of(release: dict[str, Any]) -> bytes:
    """SHA256SUMS of a release, as `sha256sum -c` reads it: a line for each file and one for release.json, by name."""
    digests = {name: listed["sha256"] for name, listed in release["files"].items()}
    digests[RELEASE] = sha256_bytes(json_text(release).encode())
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())).encode()


def folder_of(release: dict[str, Any]) -> str:
    """Key of a release under its store; it ends in a slash."""
    return f"releases/{release['model']}/{release['version']}/"


def store_of(place: str, release: dict[str, Any]) -> str | None:
    """The store that a release at `place` lies in; None where it lies elsewhere, such as in a copy."""
    whole, tail = place.rstrip("/"), folder_of(release).rstrip("/")
    return (whole.removesuffix(tail).rstrip("/") or "/") if whole.endswith(f"/{tail}") else None


def awaited(release: str) -> tuple[str, str] | None:
    """The store and the model of `…/releases/<model>`, as the user gave it, where no release of it is the champion yet;
    None where there is one, or it names something else.
    """
    base, found, model = release.rstrip("/").rpartition("/releases/")
    if not found or not base or "/" in model:
        return None
    store = open_store(base if "://" in base else str(Path(base).expanduser().absolute()))
    there = (f"releases/{model}/{name}" for name in ("champion.json", "release.json"))
    return None if any(store.stat(key) is not None for key in there) else (store.uri, model)


def log_of(place: str, release: dict[str, Any]) -> str | None:
    """Where a server of the release at `place` keeps its log, and who watches it looks for that, unless they are told:
    in its store. None where it lies outside of one.
    """
    store = store_of(place, release)
    return None if store is None else f"{store.rstrip('/')}/log"


def publish(
    store: Store, release: dict[str, Any], files: Mapping[str, bytes], signed: Mapping[str, bytes] | None = None
) -> str:
    """Write the files, SHA256SUMS and, last, release.json, each only where it is absent; returns the bundle's key,
    which ends in a slash.

    signed: the signature's files, by name; one that was signed before keeps its signature. Raises IntegrityError where
    another content stands under a name, as after tampering.
    """
    folder = folder_of(release)
    if signed and store.stat(folder + SIGNATURE) is None:
        for name, data in signed.items():
            store.write(folder + name, data)
    for name, data in [*files.items(), (SUMS, sums_of(release)), (RELEASE, json_text(release).encode())]:
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
    release = _json(store, folder + RELEASE)
    if not isinstance(release, dict) or release.get("format") not in range(1, FORMAT + 1):
        kind = release.get("format") if isinstance(release, dict) else release
        raise BadInputError(
            f"{store.uri}/{folder}{RELEASE}: format {kind!r} is not one this version reads (1 or {FORMAT}); use the "
            "version of Gleaner that made it, or a later one"
        )
    found = version_of(release)
    if release.get("version") != found:
        raise IntegrityError(
            f"{store.uri}/{folder}release.json: expected contents of version {release.get('version')}, "
            f"found those of {found}; {CHANGED}"
        )
    return release


def verified_file(store: Store, folder: str, release: dict[str, Any], name: str) -> bytes:
    """Bytes of one file of a release, of the size and sha256 that release.json demands, or that forgotten.json tells of
    a file that was written anew because images were forgotten.
    """
    expected = release["files"][name]
    try:
        for anew in rewritten(store, folder).get(name, ()) if name in REWRITABLE else ():
            data = store.read(folder + name)
            if anew == {"sha256": sha256_bytes(data), "size": len(data)}:
                return data
        return store.read_verified(folder + name, expected["sha256"], expected["size"])
    except KeyError:
        raise IntegrityError(f"{store.uri}/{folder}{name}: not there; {CHANGED}") from None
    except IntegrityError as error:
        raise IntegrityError(f"{error}; {CHANGED}") from None


def forgotten(store: Store, folder: str) -> dict[str, Any]:
    """forgotten.json of a release: `times`, each with `when`, `images` and `how` the release learned from them, and
    `files`; empty where no image of it was forgotten.
    """
    key = folder + FORGOTTEN
    return _json(store, key) if any(stat.key == key for stat in store.list(key)) else {}


def rewritten(store: Store, folder: str) -> dict[str, list[dict[str, Any]]]:
    """Files of a release that were written anew without images, by name: sha256 and size that each may have."""
    return forgotten(store, folder).get("files", {})


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


def resolved(release: str) -> tuple[str, dict[str, Any]]:
    """The place of one version and its release.json, from what the user gave: neither a champion that moves nor another
    working directory changes where that leads.
    """
    where = locate(release)
    store = open_store(where if "://" in where else str(Path(where).absolute()))
    folder, about = find(store)
    return f"{store.uri}/{folder}".rstrip("/"), about


def _json(store: Store, key: str) -> dict[str, Any]:
    try:
        return json.loads(store.read(key))
    except KeyError:
        raise BadInputError(f"{store.uri}/{key}: no such object; release again, or name another version") from None
    except ValueError as error:
        raise IntegrityError(f"{store.uri}/{key}: expected JSON, found something else ({error}); {CHANGED}") from None
