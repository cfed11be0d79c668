"""Cache stages on this machine: kfp's local cache, keyed on the bytes of code, inputs, settings and named files."""

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from kfp import dsl
from kfp.local.cache import LocalCache

from components.common.errors import BadInputError
from components.common.files import read_json, sha256_file, sha256_json, sha256_tree
from components.common.storage import open_store
from components.releases.opponent import opponent

ROOT = Path(__file__).parents[2]
TOOLS = ("local", "dev", "bench")  # extras that compute nothing which a stage writes
FILES = ("settings", "_file")  # arguments that may name files which a stage reads
BESIDE = {
    "sample": ("labels",),
    "evaluate": ("labels", "releases"),
    "plan": ("ingest", "labels", "releases"),
    "release": ("releases",),
    "predict": ("ingest", "releases"),
    "monitor": ("ingest", "labels", "predict", "releases"),
}  # packages that a stage's code takes beside its own
Outputs = dict[str, Any]


class StageCache(LocalCache):
    """A cache keyed on contents, where kfp's is keyed on paths; a hit counts only if every byte is still there."""

    def __init__(self, folder: Path, on_hit: Callable[[str, Outputs], None], fresh: bool = False) -> None:
        super().__init__(str(folder))
        self.on_hit = on_hit
        self.fresh = fresh
        self.now = threading.local()  # the stage that this thread looks up, and its store: workers run side by side

    def compute_key(
        self,
        component_name: str,
        image: str,
        full_command: list[str],
        arguments: dict[str, Any],
        env_vars: dict[str, str] | None = None,
        custom_cache_key: str | None = None,
    ) -> str:
        self.now.stage = component_name.removeprefix("comp-")
        self.now.store = arguments.get("store", "")
        self.now.name = arguments.get("name", "")
        named = {name: _by_bytes(name, value) for name, value in arguments.items()}
        files = dict(sorted(_named_files({key: value for key, value in arguments.items() if key.endswith(FILES)})))
        return super().compute_key(
            component_name, image, full_command, {**named, "files": files}, env_vars, custom_cache_key
        )

    def get(self, key: str) -> Outputs | None:
        outputs = None if self.fresh else super().get(key)
        if (
            outputs is None
            or not all(_intact(artifact) for artifact in outputs.values())
            or not _published(outputs, self.now.store)
            or (self.now.stage == "plan" and not _champion_stands(outputs, self.now.store, self.now.name))
        ):
            return None
        self.on_hit(self.now.stage, outputs)
        return outputs

    def put(self, key: str, outputs: Outputs) -> None:
        for artifact in outputs.values():
            if isinstance(artifact, dsl.Artifact) and not Path(artifact.uri).exists():
                Path(artifact.uri).touch()  # figures alone need no file, but kfp takes a missing one for a lost one
        super().put(key, outputs)


@cache
def code_digest(module: str) -> str:
    """Digest of the sources behind `python -m components.<stage>`, of Python's version and the packages' versions."""
    stage = module.split(".")[1]
    folders = [ROOT / "components" / name for name in ("common", stage, *BESIDE.get(stage, ()))]
    files = [
        path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    sources = {path.relative_to(ROOT).as_posix(): sha256_file(path) for path in files}
    return sha256_json({"sources": sources, "packages": _packages(), "python": sys.version_info[:2]})


def _packages() -> dict[str, str]:
    """Versions of what gleaner depends on: another torch may compute other bytes."""
    found = {}
    for requirement in requires("gleaner") or []:
        if re.search(rf"extra == .({'|'.join(TOOLS)})\b", requirement):
            continue
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""  # an extra that is not installed
    return found


def _by_bytes(name: str, value: Any) -> Any:
    if isinstance(value, dsl.Artifact):
        return value.metadata.get("digest") or value.uri
    if name in ("source", "store") and "://" not in value:
        return os.path.realpath(Path(value).expanduser())  # `demo/store` means another folder elsewhere
    return value


def _named_files(settings: Any) -> Iterator[tuple[str, str]]:
    """Files that the settings name (answers of annotators, initial weights), with a digest of each."""
    if isinstance(settings, dict):
        for value in settings.values():
            yield from _named_files(value)
    elif isinstance(settings, str) and settings.startswith("s3://"):
        folder, _, name = settings.rpartition("/")
        stat = open_store(folder).stat(name) if name and folder != "s3:/" else None
        yield settings, stat.etag if stat else ""
    elif isinstance(settings, str) and settings and Path(settings).expanduser().is_file():
        yield settings, sha256_file(Path(settings).expanduser())


def _intact(artifact: Any) -> bool:
    digest = artifact.metadata.get("digest") if isinstance(artifact, dsl.Artifact) else None
    return digest is None or sha256_tree(Path(artifact.uri)) == digest


def _champion_stands(outputs: Outputs, store: str, name: str) -> bool:
    """Whether `plan` would name the same champion to compare with as it did: another run may have moved it since."""
    try:
        now = opponent(open_store(store), name, outputs["release"].get("run_key", ""))
    except BadInputError:
        return False  # the stage itself says what is wrong with the store
    return now == outputs["evaluate"].get("champion", "")


def _published(outputs: Outputs, store: str) -> bool:
    """Whether what a stage left in the store is still there: a version of a dataset and its shards, candidates, a
    release and its championship. What waits for a person is asked again.
    """
    keys: set[str] = set()
    champions: dict[str, str] = {}
    for artifact in outputs.values():
        if not isinstance(artifact, dsl.Artifact):
            continue
        if artifact.metadata.get("waits"):
            return False  # for a person, who may have decided since
        described = Path(artifact.uri) / "dataset.json"
        if described.is_file():
            about = read_json(described)
            keys |= {shard["key"] for shard in about["shards"]}
            keys |= {f"datasets/{about['name']}/{about['id']}/{file}" for file in ("dataset.json", "index.parquet")}
        published = artifact.metadata.get("published")
        if published and isinstance(published, str):
            key = published.removeprefix(f"{store.rstrip('/')}/")
            keys.add(key)
            if artifact.metadata.get("promoted"):
                champions[f"{key.rpartition('/')[0]}/champion.json"] = artifact.metadata["version"]
    if not keys:
        return True
    try:
        place = open_store(store)
        return all(next(place.list(key), None) for key in keys) and all(
            json.loads(place.read(key))["version"] == version for key, version in champions.items()
        )
    except (BadInputError, KeyError):
        return False  # the stage itself says what is wrong with the store
