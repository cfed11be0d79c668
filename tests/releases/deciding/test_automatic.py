"""What becomes of a release where nobody is asked, and what is told of it."""

import pytest

from components.common.storage import open_store
from components.releases import champion as champions
from components.releases.bundle import describe, publish
from components.releases.deciding.automatic import Outcome, decide
from components.releases.deciding.outside import Outside
from tests.releases.gitops.world import MANIFEST, PATH, Bare, git, target
from tests.releases.model_registry import Registry, serving

FILES = {"model.onnx": b"\x00\x01"}


class World:
    def __init__(self, folder) -> None:
        self.store = open_store(str(folder / "store"))
        self.bare = Bare(folder / "git")
        self.target = target(self.bare)

    def release(self, seed: int, outside: Outside | None = None, **changes) -> tuple[str, Outcome]:
        made = describe(FILES, {"model": "digits", "seed": seed, "classes": ["0", "1"]})
        publish(self.store, made, FILES)
        how = {"passed": True, "verdict": "every gate passed", "auto": True, "expected": None, "source": f"run {seed}"}
        return made["version"], decide(self.store, made, outside or Outside(self.target), **{**how, **changes})

    @property
    def champion(self) -> str | None:
        now = champions.champion(self.store, "digits")
        return now and now.version


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


def test_a_release_that_passed_is_the_champion_and_a_commit(world):
    one, done = world.release(1)
    assert (done.promoted, done.waits, done.why) == (True, False, "every gate passed")
    [line] = done.told
    assert line.startswith(f"{world.bare.folder}, branch main: commit ")
    assert world.champion == one
    assert f"/releases/digits/{one}\n" in world.bare.shown()
    assert "Gleaner-By: gleaner\nGleaner-From: run 1" in git(world.bare.folder, "log", "-1", "--format=%B", "main")


def test_an_equal_run_changes_nothing_and_tells_what_could_not_be_told(world):
    world.bare.hook("pre-receive", "echo frozen >&2; exit 1")
    one, done = world.release(1)
    assert done.promoted
    assert "decided, but not committed: " in done.told[0]
    assert "frozen" in done.told[0]
    world.bare.hook("pre-receive", "exit 0")
    same, done = world.release(1)
    assert (same, done.promoted, done.why) == (one, True, "every gate passed; it is the champion already")
    assert "branch main: commit " in done.told[0]
    assert len(champions.history(world.store, "digits")) == 3


def test_an_equal_run_does_not_undo_a_revert_in_the_repository(world):
    one, _ = world.release(1)
    world.release(2, expected=one)
    git(world.bare.clone, "pull", "-q", "origin", "main")
    git(world.bare.clone, "revert", "--no-edit", "HEAD")
    git(world.bare.clone, "push", "-q", "origin", "HEAD:main")
    _, done = world.release(2, expected=one)
    assert f"serves {one}, though" in done.told[0]
    assert f"/releases/digits/{one}\n" in world.bare.shown()


def test_a_failed_gate_and_approval_leave_the_champion(world):
    registry = Registry()
    with serving(registry) as address:
        outside = Outside(world.target, address)
        one, done = world.release(1, outside, passed=False, verdict="ece: 0.2 is above 0.1")
        assert (done.promoted, done.waits) == (False, False)
        assert done.why.startswith("published as not passed: ece: 0.2 is above 0.1; `gleaner release approve")
        two, done = world.release(2, outside, auto=False)
        assert (done.promoted, done.waits) == (False, True)
    assert world.champion is None
    assert world.bare.shown() == MANIFEST
    made = registry.kept["model_versions"].values()
    told = {one["name"]: one["customProperties"]["decision"]["string_value"] for one in made}
    assert told == {one: "not passed", two: "waits for approval"}


def test_what_cannot_be_promoted_stays_published_with_the_reason(world):
    one, _ = world.release(1)
    two, done = world.release(2)
    assert (done.promoted, done.told) == (False, [])
    assert f"published without promotion: the champion is {one} now, and {two} was compared with none" in done.why
    champions.reject(world.store, "digits", two, who="anna", why="", source="a test")
    for auto in (True, False):
        _, done = world.release(2, expected=one, auto=auto)
        assert (done.promoted, done.waits) == (False, False)
        assert "was rejected or rolled back before" in done.why
    world.target = world.target._replace(path="gone.yaml")
    _, done = world.release(3, expected=one)
    assert "published without promotion: " in done.why
    assert "gone.yaml: no such file" in done.why
    world.target = world.target._replace(repository="http://127.0.0.1:1/x.git", path=PATH)
    _, done = world.release(4, expected=one)
    assert "published without promotion: http://127.0.0.1:1/x.git: " in done.why
    assert world.champion == one


def test_a_registry_that_is_not_there_is_a_sentence(world):
    one, done = world.release(1, Outside(None, "http://127.0.0.1:1"))
    assert done.promoted
    assert "was not told" in done.told[0]
    assert world.champion == one
