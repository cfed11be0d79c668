"""`gleaner release …` in a folder and in a real S3 store: what it says, what it decides, and what it refuses."""

import json
import re
import subprocess
from typing import Any

import pytest

from components.common.files import json_text
from components.releases import champion as champions
from components.releases.deciding import outside
from components.releases.deciding.commands import main
from components.releases.deciding.outside import digest_of
from tests.releases.deciding.people import World


@pytest.fixture(params=["folder", "s3"])
def world(request, tmp_path, capsys) -> World:
    folder = str(tmp_path / "store")
    return World(folder if request.param == "folder" else request.getfixturevalue("s3_bucket") + "/gleaner", capsys)


@pytest.fixture
def local(tmp_path, capsys) -> World:
    return World(str(tmp_path / "store"), capsys)


def test_from_publication_to_rollback(world):
    assert "no releases of digits in" in world.says("list")
    one = world.publish(1)
    assert re.search(rf"^{one}   waiting   .*   -   +every gate passed$", world.says("list"), re.M)
    assert world.says("approve", one[:6], "--why", "a start") == f"{one} is the champion of digits now, by anna\n"
    two = world.publish(2, one)
    said = world.says("approve", two, "--why", "fewer wrong sevens")
    assert said == f"{two} is the champion of digits now, after {one}, by anna\n"
    listed = json.loads(world.says("list", "-o", "json"))
    assert {row["version"]: row["state"] for row in listed} == {one: "superseded", two: "champion"}
    said = world.says("rollback", "--why", "complaints")
    assert said == f"{one} is the champion of digits again, {two} is rolled back, by anna\n"
    assert world.champion == one
    states = {row["version"]: row["state"] for row in json.loads(world.says("list", "-o", "json"))}
    assert states == {one: "champion", two: "rolled back"}
    lines = world.says("history").splitlines()
    assert re.split(r" {3,}", lines[0]) == ["WHEN", "WHAT", "VERSION", "AFTER", "WHO", "FROM", "WHY"]
    told = [re.split(r" {3,}", line)[1:] for line in lines[1:]]
    assert told == [
        ["published", one, "-", "gleaner", "run 1", "every gate passed"],
        ["approved", one, "-", "anna", "gleaner release", "a start"],
        ["published", two, "-", "gleaner", "run 2", "every gate passed"],
        ["approved", two, one, "anna", "gleaner release", "fewer wrong sevens"],
        ["rolled-back", one, two, "anna", "gleaner release", "complaints"],
    ]
    again = world.says("approve", two, "--force", "--why", "mended the camera")
    assert again == f"{two} is the champion of digits now, after {one}, by anna\n"


def test_show_says_what_it_is_made_of_and_what_was_decided(local):
    one = local.publish(1)
    local.promote(one, None)
    shown = local.says("show")
    assert shown == local.says("show", one[:4])
    assert f"version:       {one}\nstate:         champion\n" in shown
    assert f"digest:        {digest_of(local.releases[one])}\n" in shown
    assert "dataset:       d\n" in shown
    assert re.search(r"promoted +\S+ +- +gleaner +run +passed$", shown, re.M)
    told = json.loads(local.says("show", "-o", "json"))
    assert told["release"] == local.releases[one]
    assert [event["what"] for event in told["history"]] == ["published", "promoted"]


def test_the_digest_is_that_of_the_file_in_the_store(local):
    one = local.publish(1)
    data = local.store.read(f"releases/digits/{one}/release.json")
    digest = subprocess.run(["sha256sum"], input=data, capture_output=True, check=True).stdout.split()[0].decode()
    assert digest_of(local.releases[one]) == f"sha256:{digest}"


def test_a_failed_gate_takes_force_and_a_reason(local):
    one = local.publish(1, passed=False)
    assert "not passed" in local.says("list")
    assert "a gate failed: ece: 0.2 is above 0.1; --force --why TEXT" in local.says("approve", one, code=2)
    assert "--force needs --why TEXT" in local.says("approve", one, "--force", code=2)
    assert local.champion is None
    local.says("approve", one, "--force", "--why", "the only one there is")
    assert local.champion == one
    assert "approved (forced)" in local.says("history")


def test_unknown_and_superseded_versions_are_refused(local):
    one, two, three = local.publish(1), local.publish(2), local.publish(3, None)
    assert "no release beef; there are " in local.says("approve", "beef", code=2)
    assert f"no release {one[:3]}; there are" in local.says("approve", one[:3], code=2)
    assert "expected one VERSION, got none" in local.says("approve", code=2)
    local.promote(one, None)
    said = local.says("approve", two, code=2)
    assert f"{two}: it was never compared with a champion, and is superseded: {one} became the champion at 20" in said
    assert "superseded" in local.says("approve", three, code=2)
    four = local.publish(4, one)
    local.promote(four, one)
    assert "it was the champion before, and is superseded" in local.says("approve", one, code=2)
    five = local.publish(5, one)
    assert f"it was compared with {one}, and is superseded: {four} became" in local.says("approve", five, code=2)
    local.says("approve", five, "--force", "--why", "the camera changed")
    assert local.champion == five


def test_a_champion_that_moves_while_somebody_decides_is_told(local, monkeypatch):
    one, two = local.publish(1), local.publish(2)
    ready = outside.ready

    def slowly(*words: Any) -> None:
        local.promote(two, None)
        ready(*words)

    monkeypatch.setattr(outside, "ready", slowly)
    said = local.says("approve", one, code=2)
    assert re.search(rf"the champion is {two} now, no longer none, by gleaner at 20\S+; see", said)
    assert local.champion == two


def test_reject(local):
    one, two = local.publish(1), local.publish(2)
    local.promote(one, None)
    assert local.says("reject", two, "--why", "confuses 3 and 8") == f"{two} of digits is rejected, by anna\n"
    assert local.says("reject", two) == f"{two} of digits is rejected already\n"
    assert f"{one} is the champion of digits; `gleaner release rollback`" in local.says("reject", one, code=2)
    assert "rejected" in local.says("list")
    with pytest.raises(champions.BarredError):
        local.promote(two, one)


def test_a_rollback_that_has_nowhere_to_go(local):
    assert "has no champion yet; there is nothing to go back from" in local.says("rollback", code=2)
    assert "has no champion yet; say a VERSION" in local.says("show", code=2)
    one, two = local.publish(1), local.publish(2)
    local.promote(one, None)
    assert f"{one} is the first champion of digits" in local.says("rollback", code=2)
    assert f"{two} never was the champion" in local.says("rollback", "--to", two, code=2)
    assert f"{one} is the champion of digits; expected another" in local.says("rollback", "--to", one, code=2)
    local.promote(two, one)
    local.store.delete(f"releases/digits/{one}/release.json")
    assert f"{one}: its bundle is gone" in local.says("rollback", code=2)
    assert local.champion == two


def test_a_bundle_that_was_changed_is_not_approved(local):
    one = local.publish(1)
    release = {**local.releases[one], "temperature": 0.1}
    local.store.write(f"releases/digits/{one}/release.json", json_text(release).encode())
    assert f"expected contents of version {one}, found those of" in local.says("approve", one, code=2)
    assert local.champion is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list"], "which releases? give -c my.yaml"),
        (["list", "somewhere"], "somewhere: names no releases; give -c"),
        (["list", "--name", "digits"], "--name and --store go together"),
        (["list", "-c", "my.yaml"], "-c and --object-store are understood by `gleaner`"),
        (["list", "store/releases/digits/3f9c"], "expected no VERSION, got 3f9c"),
        (["rollback", "store/releases/digits", "3f9c"], "expected no VERSION, got 3f9c; --to VERSION says which"),
        (["sync", "store/releases/digits"], "nobody to tell: neither"),
        (["sync", "store/releases/digits", "--registry", "http://127.0.0.1:1"], "has no champion yet"),
    ],
)
def test_words_that_do_not_fit(capsys, monkeypatch, tmp_path, words, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("form", ["{place}/releases/digits", "{place}/releases/digits/", "releases/digits"])
def test_a_place_says_which_releases(local, monkeypatch, form):
    one = local.publish(1)
    monkeypatch.chdir(local.place)
    place = form.format(place=local.place)
    main(["approve", place, one, "--who", "anna"])
    main(["show", f"{place.rstrip('/')}/{one}"])
    assert local.capsys.readouterr().out.count(one) >= 3
    main(["list", place])
    assert "champion" in local.capsys.readouterr().out


def test_who_is_the_user_where_nobody_is_named(local, monkeypatch):
    one, two = local.publish(1), local.publish(2)
    monkeypatch.setenv("LOGNAME", "bert")
    main(["approve", "--name", "digits", "--store", local.place, one])
    assert "by bert" in local.capsys.readouterr().out
    monkeypatch.setattr("getpass.getuser", lambda: (_ for _ in ()).throw(KeyError("uid")))
    with pytest.raises(SystemExit):
        main(["reject", "--name", "digits", "--store", local.place, two])
    assert "this user has no name; give --who NAME" in local.capsys.readouterr().err


def test_help_has_examples_for_every_command(capsys):
    main([])
    assert capsys.readouterr().out.startswith("usage: gleaner release ")
    for verb in ("list", "show", "approve", "reject", "rollback", "sync", "history"):
        with pytest.raises(SystemExit):
            main([verb, "-h"])
        assert f"  gleaner release {verb} " in capsys.readouterr().out.partition("examples:")[2]
