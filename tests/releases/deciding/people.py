"""A store with releases, and what people do with them by `gleaner release`."""

import pytest

from components.common.files import json_text
from components.common.storage import open_store
from components.releases import champion as champions
from components.releases.bundle import describe, publish
from components.releases.deciding.commands import main

FILES = {"metrics.json": json_text({"accuracy": 0.93}).encode(), "model.onnx": b"\x00\x01"}


class World:
    """A store with releases of `digits`, and the words of people."""

    def __init__(self, place: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self.capsys = place, capsys
        self.store = open_store(place)

    def publish(self, seed: int, compared_with: str | None = "", passed: bool = True, event: bool = True) -> str:
        about = {
            "model": "digits",
            "classes": ["0", "1"],
            "temperature": 1.5,
            "digests": {"dataset": "d"},
            "seed": seed,
        }
        release = describe(FILES, about if compared_with is None else {**about, "compared_with": compared_with})
        publish(self.store, release, FILES)
        if event:
            why = "every gate passed" if passed else "ece: 0.2 is above 0.1"
            champions.published(self.store, release, passed=passed, who="gleaner", why=why, source=f"run {seed}")
        self.releases = {**getattr(self, "releases", {}), release["version"]: release}
        return str(release["version"])

    def promote(self, version: str, expected: str | None) -> None:
        release = self.releases[version]
        champions.promote(self.store, release, expected=expected, who="gleaner", why="passed", source="run")

    def says(self, *words: str, code: int = 0) -> str:
        """What a command prints, on stdout where it succeeds, else on stderr."""
        verb, *rest = words
        who = ["--who", "anna"] if verb in ("approve", "reject", "rollback", "sync") else []
        try:
            main([verb, "--name", "digits", "--store", self.place, *who, *rest])
            ended = 0
        except SystemExit as error:
            ended = int(error.code or 0)
        said = self.capsys.readouterr()
        assert ended == code, said
        if code == 2:
            assert said.out == ""
            assert said.err.count("\n") == 1
            assert said.err.startswith("error: release: ")
        return said.out if code == 0 else said.out + said.err

    @property
    def champion(self) -> str | None:
        now = champions.champion(self.store, "digits")
        return now and now.version
