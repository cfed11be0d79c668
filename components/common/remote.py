"""Upload and download artifacts, for stages that run on another machine than their inputs and outputs.

    URI/manifest.json    {"format", "file", "files": {name: {"sha256", "size"}}, "about"}
    URI/<sha256>/<name>  contents, under their digest

The manifest is written last, so a reader sees the whole artifact or none; a new artifact of the same name leaves the
old one whole until the manifest names the new one.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from components.common.code import code_digest
from components.common.errors import BadInputError
from components.common.files import json_text, new_file, new_folder, sha256_file, sha256_json, sha256_tree
from components.common.storage import Store, open_store

MANIFEST = "manifest.json"

_later: list[Callable[[], None]] | None = None  # what waits until outputs are uploaded; None where nothing is to be


class Uri(str):
    """Where an artifact lies in a store, given in place of a path."""


def path_or_uri(text: str) -> Path | Uri:
    return Uri(text) if "://" in text else Path(text)


def upload(path: Path, uri: str, about: dict[str, Any] | None = None) -> None:
    """Store a file or a folder at `uri`, whole or not at all. about: JSON that `download` gives back."""
    store = open_store(uri)
    sources = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    files = {each.name if path.is_file() else each.relative_to(path).as_posix(): each for each in sources}
    known = {name: {"sha256": sha256_file(each), "size": each.stat().st_size} for name, each in files.items()}
    for name, each in files.items():
        store.upload(_key(name, known[name]), each)
    manifest = {"format": 1, "file": path.is_file(), "files": known, "about": about or {}}
    store.write(MANIFEST, json_text(manifest).encode())
    named = {MANIFEST, *(_key(name, entry) for name, entry in known.items())}
    for key in [stat.key for stat in store.list() if stat.key not in named]:
        store.delete(key)


def download(uri: str, path: Path) -> dict[str, Any]:
    """Make `path` the file or folder that `upload` stored, every byte verified; returns what was said `about` it."""
    store = open_store(uri)
    manifest = _manifest(store)
    if manifest is None:
        raise BadInputError(f"{uri}: holds no {MANIFEST}; expected an artifact that a stage has written there")
    for name in manifest["files"]:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise BadInputError(f"{uri}/{MANIFEST}: names {name!r}, which is outside the artifact; write it again")
    if manifest["file"]:
        ((name, entry),) = manifest["files"].items()
        with new_file(path) as temporary:
            _fetch(store, _key(name, entry), entry, temporary)
        return manifest["about"]
    with new_folder(path) as folder:
        for name, entry in manifest["files"].items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _fetch(store, _key(name, entry), entry, folder / name)
    return manifest["about"]


@contextmanager
def local_paths(
    values: dict[str, Any], outputs: set[str], write: bool
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """`values` with a path of this machine for each URI, and a dictionary to be filled with what is to be said about
    outputs.

    Inputs are fetched before the block, outputs uploaded after it, where this process is to `write`.
    """
    global _later
    remote = {name: value for name, value in values.items() if isinstance(value, Uri)}
    about: dict[str, Any] = {}
    if not remote:
        yield values, about
        return
    made_by = recipe(values, outputs)
    with tempfile.TemporaryDirectory(prefix="gleaner-") as folder:
        paths = {name: Path(folder) / name for name in remote}
        for name in remote.keys() - outputs:
            download(remote[name], paths[name])
        _later = []
        try:
            yield {**values, **paths}, about
            for name in sorted(remote.keys() & outputs) if write else ():
                upload(paths[name], remote[name], {"made_by": made_by, "metadata": about.get(name, {})})
            for act in _later:
                act()
        finally:
            _later = None


def once_kept(act: Callable[[], None]) -> None:
    """Do `act` as soon as the stage's outputs are where they were asked for: now, or after their upload."""
    if _later is None:
        act()
    else:
        _later.append(act)


def made(values: dict[str, Any], outputs: set[str]) -> bool:
    """Whether every output is a URI that holds what equal code has made of equal inputs and settings."""
    wanted = [value for name, value in values.items() if name in outputs]
    if not all(isinstance(value, Uri) for value in wanted):
        return False
    made_by = recipe(values, outputs)
    manifests = [_manifest(open_store(value)) for value in wanted]
    return all(manifest and manifest["about"].get("made_by") == made_by for manifest in manifests)


def recipe(values: dict[str, Any], outputs: set[str]) -> str:
    """Digest of all that outputs follow from."""

    def contents(value: Any) -> Any:
        if isinstance(value, Uri):
            return (_manifest(open_store(value)) or {}).get("files")
        if isinstance(value, Path):
            return sha256_tree(value)
        return value if isinstance(value, str | int) else value.model_dump(mode="json")

    return sha256_json(
        {"code": code_digest(), **{name: contents(value) for name, value in values.items() if name not in outputs}}
    )


def _key(name: str, entry: dict[str, Any]) -> str:
    return f"{entry['sha256']}/{name}"


def _manifest(store: Store) -> dict[str, Any] | None:
    try:
        manifest = json.loads(store.read(MANIFEST))
        known = manifest["format"] == 1
    except KeyError:
        return None
    except (ValueError, TypeError):
        known = False
    if not known:
        raise BadInputError(
            f"{store.uri}/{MANIFEST}: is not the list of an artifact's files that a stage writes; give another address"
        )
    return manifest


def _fetch(store: Store, key: str, entry: dict[str, Any], path: Path) -> None:
    copy = store.local(key, entry["sha256"], entry["size"])
    shutil.copyfile(copy, path)
    store.let_go(copy)
