"""`gleaner release verify`: check again all that a release says of itself, and say exactly what differs."""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from components.common.artifacts import load_dataset
from components.common.errors import BadInputError
from components.common.forgotten import replaced
from components.common.lineage import fetch_dataset
from components.common.storage import Store, open_store
from components.releases import provenance, signature
from components.releases.bundle import (
    DIGITS,
    FILES,
    FORGOTTEN,
    RELEASE,
    SUMS,
    find,
    forgotten,
    locate,
    store_of,
    sums_of,
    verified_file,
)
from components.releases.model import MODEL, OnnxModel
from components.releases.probe import difference

NOT_CHECKED = "not checked: "
EPILOG = """\
examples:
  gleaner release verify store/releases/mnist                              the champion
  gleaner release verify s3://bucket/gleaner/releases/mnist/3f9c…          one version
  gleaner release verify store/releases/mnist --key release.pub            signed by this key, or refused

Without --key a signature is checked against the public key in the release: it then says that nothing was changed by
accident, not who signed. The exit code is 2 where anything differs.
"""


class Check(NamedTuple):
    """One thing that was looked at: what, what was found in words, and what differs, a line each."""

    what: str
    said: str
    wrong: list[str]


def add_verify(commands: Any) -> None:
    """Add `gleaner release verify` to the sub-parsers."""
    verb = commands.add_parser(
        "verify",
        help="check every byte of a release, its signature, and what it was made from",
        description="Check again all that a release says of itself.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("place", metavar="PLACE", help="folder or s3:// URI of a version, or of a model (its champion)")
    verb.add_argument("--key", metavar="PUB", type=Path, help="public key in PEM that must have signed it")
    verb.add_argument(
        "--store", metavar="STORE", help="where its dataset is kept; by default the store that PLACE is in"
    )
    verb.set_defaults(run=lambda options: command(options.place, options.key, options.store))


def command(place: str, key: Path | None, store: str | None = None) -> int:
    """Print a table where all is as it was released; else a line for each thing that differs, and 2."""
    checks = verify(place, key, store)
    wrong = [line for check in checks for line in check.wrong]
    for line in wrong:
        print(f"error: release verify: {line}", file=sys.stderr)
    if wrong:
        return 2
    width = max(len(check.what) for check in checks)
    print("\n".join(f"{check.what:<{width}}  {check.said}" for check in checks), flush=True)
    return 0


def verify(place: str, key: Path | None = None, store: str | None = None) -> list[Check]:
    """What was checked of a release, in order. key: a public key that must have signed it. store: where its dataset is;
    None for the store that it is in.

    Raises BadInputError where there is no release, or release.json itself was changed: then nothing is known of it.
    """
    public = _public(key) if key else None
    found = open_store(locate(place))
    folder, release = find(found)
    root = store or store_of(f"{found.uri}/{folder}", release)
    checks = [_version(found, folder, release), _files(found, folder, release), *_forgotten(found, folder)]
    if release["format"] == 1:
        told = "format 1, of an earlier version of Gleaner: no sums, provenance or ONNX file; release again to serve it"
        return [*checks, Check("format", told, [])]
    if lacking := [name for name in FILES if name not in release["files"]]:
        return [*checks, Check("format", "", [f"{found.uri}/{folder}{RELEASE}: lists no {', '.join(lacking)}"])]
    checks.append(_sums(found, folder, release))
    checks.append(_signature(found, folder, release, public, key))
    whole = not checks[1].wrong
    steps: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("provenance", lambda: _provenance(found, folder, release)),
        ("labels", lambda: _labels(release)),
        ("model", lambda: _rerun(found, folder, release)),
    )
    for what, step in steps:
        checks.append(step() if whole else Check(what, f"{NOT_CHECKED}its files were changed", []))
    checks.append(_dataset(release, root))
    return checks


def _public(key: Path) -> bytes:
    try:
        pem = key.expanduser().read_bytes()
    except OSError as error:
        raise BadInputError(f"{key}: cannot be read as a public key ({error.strerror})") from None
    signature.public_key(pem, str(key))
    return pem


def _version(store: Store, folder: str, release: dict[str, Any]) -> Check:
    """The version is the digest of release.json (as `find` has seen) and the name of its folder, where that is one."""
    version, named = release["version"], f"{store.uri}/{folder}".rstrip("/").rpartition("/")[2]
    wrong = []
    if re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", named) and named != version:
        wrong.append(f"{store.uri}/{folder}{RELEASE}: is of version {version}, but lies in the folder of {named}")
    return Check("version", f"{version} of {release['model']}, the digest of release.json", wrong)


def _files(store: Store, folder: str, release: dict[str, Any]) -> Check:
    """Every file that release.json lists, and none beside them."""
    wrong, size = [], 0
    for name in release["files"]:
        try:
            size += len(verified_file(store, folder, release, name))
        except BadInputError as error:
            wrong.append(str(error))
    beside = {*release["files"], RELEASE, SUMS, FORGOTTEN, signature.SIGNATURE, signature.PUBLIC}
    for stat in store.list(folder):
        name = stat.key.removeprefix(folder)
        if name not in beside:
            wrong.append(f"{store.uri}/{stat.key}: is no file of this release; it was added after it")
    return Check("files", f"{len(release['files'])} of {size / 1e6:.1f} MB, each of its size and sha256", wrong)


def _forgotten(store: Store, folder: str) -> list[Check]:
    """Which files were written anew because images were forgotten: their digests are no longer those of the release."""
    told = forgotten(store, folder)
    return [Check("forgotten", rewriting(told), [])] if told else []


def rewriting(told: dict[str, Any]) -> str:
    """What forgotten.json tells, in a sentence."""
    times = ", ".join(f"{time['images']:,} on {time['when'][:10]}" for time in told["times"])
    files = ", ".join(sorted(told["files"])) or "no file"
    return f"images were forgotten ({times}): {files} written anew without them, their sums are no longer the release's"


def _sums(store: Store, folder: str, release: dict[str, Any]) -> Check:
    """SHA256SUMS, line by line, against release.json."""
    expected = sums_of(release)
    found = _bytes(store, folder + SUMS)
    if found is None:
        return Check(SUMS, "", [f"{store.uri}/{folder}{SUMS}: not there"])
    lines, wanted = (_lines(data) for data in (found, expected))
    wrong = [
        f"{store.uri}/{folder}{SUMS}: {name} has sha256 {lines.get(name, 'none')}, but the release says "
        f"{wanted.get(name, 'none')}"
        for name in sorted({*lines, *wanted})
        if lines.get(name) != wanted.get(name)
    ]
    if found != expected and not wrong:
        wrong.append(f"{store.uri}/{folder}{SUMS}: its lines are in another order or form than the release's")
    return Check(SUMS, f"{len(wanted)} lines, as the release says", wrong)


def _signature(store: Store, folder: str, release: dict[str, Any], public: bytes | None, key: Path | None) -> Check:
    what = "signature"
    signed, shipped = (_bytes(store, folder + name) for name in (signature.SIGNATURE, signature.PUBLIC))
    if signed is None:
        wrong = (
            [f"{store.uri}/{folder}{signature.SIGNATURE}: not there, and {key} was to have signed it"] if key else []
        )
        return Check(what, "none", wrong)
    by = public or shipped
    if by is None:
        return Check(what, "", [f"{store.uri}/{folder}{signature.PUBLIC}: not there; name the public key with --key"])
    try:
        why = signature.verify(sums_of(release), signed, by)
    except BadInputError as error:
        return Check(what, "", [f"{store.uri}/{folder}{error}"])
    if why:
        of = key or signature.PUBLIC
        return Check(what, "", [f"{store.uri}/{folder}{signature.SIGNATURE}: {why} ({of})"])
    trusted = f"as {key} demands" if key else "by the key in the release; name one that you trust with --key"
    return Check(what, f"by the key of sha256 {signature.fingerprint(by)[:16]}, {trusted}", [])


def _provenance(store: Store, folder: str, release: dict[str, Any]) -> Check:
    said = json.loads(verified_file(store, folder, release, provenance.FILE))
    wrong = [f"{store.uri}/{folder}{line}" for line in provenance.problems(said, release)]
    told = f"{len(said['subject'])} subjects, made of dataset {release['digests']['dataset'][:12]}, labels "
    return Check(
        "provenance", f"{told}{release['digests']['labels'][:12]}, code {release['digests']['code'][:12]}", wrong
    )


def _labels(release: dict[str, Any]) -> Check:
    """The labels travel with the release: those it names are those it holds."""
    held, named = release["files"]["labels.parquet"]["sha256"], release["digests"]["labels"]
    wrong = [] if held == named else [f"labels.parquet: sha256 {held}, but the model learned from {named}"]
    return Check("labels", f"{named[:12]}, in the release", wrong)


def _dataset(release: dict[str, Any], root: str | None) -> Check:
    """The version of the dataset, verified by its id, and its shards, by their sizes."""
    what = "dataset"
    name, version = release["dataset_name"], release["digests"]["dataset"]
    if root is None:
        return Check(what, f"{NOT_CHECKED}the release lies outside of a store; name its store with --store", [])
    store = open_store(root)
    anew = replaced(store, name, version)
    if anew and not anew.now:
        return Check(what, f"{name} {version[:12]} {anew.told()}", [])
    with tempfile.TemporaryDirectory(prefix="gleaner-verify-") as scratch:
        try:
            fetch_dataset(name, anew.now if anew else version, store, Path(scratch) / "dataset")
        except BadInputError as error:
            return Check(what, "", [str(error)])
        shards = load_dataset(Path(scratch) / "dataset").shards
    wrong = []
    for shard in shards:
        stat = store.stat(shard.key)
        if stat is None or stat.size != shard.size:
            found = "not there" if stat is None else f"{stat.size} bytes"
            wrong.append(f"{store.uri}/{shard.key}: {found}, but {shard.size} bytes were published")
    size = sum(shard.size for shard in shards)
    said = anew.told() if anew else "is in the store"
    return Check(what, f"{name} {version[:12]} {said}, {len(shards)} shards of {size / 1e6:.1f} MB", wrong)


def _rerun(store: Store, folder: str, release: dict[str, Any]) -> Check:
    """The ONNX file answers to the pixels of probe.json as it did when it was released, where onnxruntime is here."""
    what, place = "model", f"{store.uri}/{folder}{MODEL}"
    if find_spec("onnxruntime") is None:
        return Check(what, f"{NOT_CHECKED}onnxruntime is not installed (pip install 'gleaner[serve]')", [])
    probe = json.loads(verified_file(store, folder, release, "probe.json"))
    try:
        why = difference(OnnxModel(verified_file(store, folder, release, MODEL), 1, place), probe)
    except BadInputError as error:
        return Check(what, "", [str(error)])
    told = f"{MODEL} answers to {len(probe['logits'])} probe images as recorded"
    return Check(what, told, [f"{place}: {why}"] if why else [])


def _bytes(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except KeyError:
        return None


def _lines(data: bytes) -> dict[str, str]:
    """Digest by file name, of the lines of a file of sums."""
    parts = (line.partition("  ") for line in data.decode("utf-8", "replace").splitlines())
    return {name: digest for digest, _, name in parts}
