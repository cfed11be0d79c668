"""A kill at each change of the store: what is there can be used, and the same command ends in the same bytes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.common.data.reader import ShardReader
from components.common.files import sha256_bytes
from components.common.forgotten import forgotten_ids
from components.common.storage import FolderStore, open_store
from components.forget import command
from components.forget.command import main
from components.forget.journal import unfinished
from components.labels.candidates import newest_candidates
from components.labels.store import LabelStore
from components.releases.verify import verify
from tests.forget.world import NAME, Made, newest, parts_of, remains

EVERY = 7  # of the changes; 1 tries all of them, in a few minutes
CHANGES = ("write", "write_if_absent", "replace_if_unchanged", "upload", "delete")


class KilledError(BaseException):
    """The end of a process, which nothing catches."""


def killed_at(number: int, after: bool) -> tuple[Callable[[str], Any], list[str]]:
    """An `open_store` of stores that end at the change of that number, before or after it; and the changes so far."""
    seen: list[str] = []

    class Mortal(FolderStore):
        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if name not in CHANGES:
                return found

            def call(*arguments: Any) -> Any:
                seen.append(f"{name} {arguments[0]}")
                is_last = len(seen) == number  # a change may be made of others
                if is_last and not after:
                    raise KilledError
                done = found(*arguments)
                if is_last:
                    raise KilledError
                return done

            return call

    return lambda uri: Mortal(Path(uri)), seen


def lean(made: Made) -> Made:
    """The world without the folder of the run, which is no part of the store."""
    shutil.rmtree(made.folder / ".gleaner")
    return made


def contents(store: str) -> dict[str, str]:
    """Digests of all objects by key; times are left out of those that tell one."""
    found = {}
    for path in sorted(Path(store).rglob("*")):
        key = path.relative_to(store).as_posix()
        if path.is_file() and not path.name.startswith("."):
            data = path.read_bytes()
            if "forg" in key:
                key = "/".join(part for part in key.split("/") if "forgot-" not in part and not part.startswith("20"))
                data = json.dumps(_timeless(json.loads(data)), sort_keys=True).encode()
            found[key] = sha256_bytes(data)
    return found


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items() if key not in ("when", "asked", "done", "changes")}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def look_through(made: Made) -> None:
    """Whatever points somewhere points at something whole."""
    store = open_store(made.store)
    data = newest(store)
    reader = ShardReader(data, store)
    for row in range(0, len(data.index), 20):
        assert sha256_bytes(reader.image_bytes(row)) == data.column("id")[row]
    LabelStore(store, NAME).read()
    asked = newest_candidates(store, NAME)
    assert asked is not None
    assert len(asked.picks())
    (place,) = Path(made.store, "releases", NAME).glob("*/release.json")
    assert [line for check in verify(str(place.parent)) for line in check.wrong if check.what != "dataset"] == []


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_change_leaves_old_or_new_and_the_same_command_ends_it(made, tmp_path, monkeypatch, after):
    lean(made)
    shutil.rmtree(made.folder / "cache")
    shutil.copytree(made.store, tmp_path / "kept")
    words = [made.images["labelled"], "--yes", "--store", made.store]
    opened, seen = killed_at(0, after)
    monkeypatch.setattr(command, "open_store", opened)
    main(words)
    expected, changes = contents(made.store), len(seen)
    assert changes > 40
    for number in range(4 if after else 1, changes + 1, EVERY):
        shutil.rmtree(made.store)
        shutil.copytree(tmp_path / "kept", made.store)
        opened, seen = killed_at(number, after)
        monkeypatch.setattr(command, "open_store", opened)
        with pytest.raises(KilledError):
            main(words)
        look_through(made)
        monkeypatch.setattr(command, "open_store", open_store)
        if unfinished(open_store(made.store)):
            main(words[1:])
        elif not forgotten_ids(open_store(made.store)):  # else the kill came when all was done
            main(words)
        assert contents(made.store) == expected, seen[-1]


def test_a_kill_on_the_way_is_told_and_gone_on_with(made, monkeypatch, capsys):
    what = parts_of(made, made.images["test"])
    opened, _ = killed_at(12, after=False)
    monkeypatch.setattr(command, "open_store", opened)
    with pytest.raises(KilledError):
        main([made.images["test"], "--yes", "--store", made.store])
    monkeypatch.setattr(command, "open_store", open_store)
    capsys.readouterr()
    main(["--yes", "--store", made.store, "--from", str(made.source), "--source"])
    said = capsys.readouterr().out
    assert said.startswith("goes on with 1 image that was asked for before\n")
    assert "of digits: its label measured, and taught nothing" in said
    assert remains(made.folder, what) == []
