"""Files and folders between a machine's disk and the store, all or nothing, verified."""

import json
import shutil
from pathlib import Path

from components.common.errors import BadInputError
from components.common.files import json_text, new_folder, sha256_file
from components.common.storage import open_store

LISTING = "listing.json"


def upload(path: Path, uri: str) -> None:
    store = open_store(uri)
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    listing = []
    for file in files:
        name = "" if path.is_file() else file.relative_to(path).as_posix()
        listing.append({"name": name, "sha256": sha256_file(file), "size": file.stat().st_size})
        store.upload(f"files/{name or 'file'}", file)
    store.write(LISTING, json_text(listing).encode())


def download(uri: str, path: Path) -> None:
    store = open_store(uri)
    try:
        listing = json.loads(store.read(LISTING))
    except KeyError:
        raise BadInputError(f"{uri}: holds nothing that was uploaded whole") from None
    with new_folder(path.with_name(f".{path.name}.fetched")) as folder:
        for each in listing:
            target = folder / (each["name"] or "file")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(store.local(f"files/{each['name'] or 'file'}", each["sha256"], each["size"]), target)
    fetched = path.with_name(f".{path.name}.fetched")
    if path.is_dir():
        shutil.rmtree(path)
    if len(listing) == 1 and not listing[0]["name"]:
        (fetched / "file").replace(path)
        fetched.rmdir()
    else:
        fetched.replace(path)
