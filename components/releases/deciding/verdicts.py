"""`gleaner release approve`, `reject`, `rollback` and `sync`: what people decide, and who is told."""

import argparse
import sys
from typing import Any

from components.common.errors import BadInputError
from components.releases import champion as champions
from components.releases.bundle import verified_release
from components.releases.champion import Champion
from components.releases.deciding import outside as outsiders
from components.releases.deciding.options import Which, add_command, one_version, opened, outside, person, versions
from components.releases.deciding.outside import Told
from components.releases.history import MOVES, PUBLISHED, Event

SOURCE = "gleaner release"


def add_approve(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    made = add_command(
        commands,
        parents,
        "approve",
        "make a release the champion",
        "Make a release the champion: one that waits for a person, or that was rejected or rolled back.",
        '  gleaner release approve 3f9c12ab -c my.yaml --why "fewer wrong sevens"\n'
        '  gleaner release approve 3f9c12ab -c my.yaml --force --why "the new camera matters more"',
    )
    made.add_argument("words", metavar="[PLACE] VERSION", nargs="*", help="its first digits do, at least four")
    made.add_argument(
        "--force",
        action="store_true",
        help="though a gate failed, or the champion is not the one that it was compared with; needs --why",
    )
    made.set_defaults(run=_approve)


def add_reject(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    made = add_command(
        commands,
        parents,
        "reject",
        "never promote a release automatically",
        "Say no to a release: no run promotes it any more; `gleaner release approve` still does.",
        '  gleaner release reject 3f9c12ab -c my.yaml --why "confuses 3 and 8"',
    )
    made.add_argument("words", metavar="[PLACE] VERSION", nargs="*", help="its first digits do, at least four")
    made.set_defaults(run=_reject)


def add_rollback(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    made = add_command(
        commands,
        parents,
        "rollback",
        "go back to the champion before this one",
        "Make the champion before this one the champion again; no run promotes the one that goes any more.",
        '  gleaner release rollback -c my.yaml --why "complaints since noon"\n'
        "  gleaner release rollback -c my.yaml --to 8a41c09d",
    )
    made.add_argument("words", metavar="PLACE", nargs="*", help="where they are, without -c")
    made.add_argument("--to", metavar="VERSION", help="which one, instead of the one before")
    made.set_defaults(run=_rollback)


def add_sync(commands: Any, parents: list[argparse.ArgumentParser]) -> None:
    made = add_command(
        commands,
        parents,
        "sync",
        "tell the repository and the registry once more who the champion is",
        "Tell the repository and the registry who the champion is, where that failed when it was decided.",
        "  gleaner release sync -c my.yaml\n"
        "  gleaner release sync -c my.yaml --again    though the repository was changed since",
    )
    made.add_argument("words", metavar="PLACE", nargs="*", help="where they are, without -c")
    made.add_argument("--again", action="store_true", help="commit again what was committed before and changed since")
    made.set_defaults(run=_sync)


def _approve(options: argparse.Namespace) -> int:
    which, words = opened(options)
    version = one_version(which, words)
    release = verified_release(which.store, f"{which.root}{version}/")
    who, told_to = person(options), outside(options)
    now = champions.champion(which.store, which.model)
    if now and now.version == version:
        print(f"{version} is the champion of {which.model} already")
        return _tell(outsiders.sync(which.store, which.model, told_to))
    history = champions.history(which.store, which.model)
    against = _against(version, release, now, history)
    if against and not options.force:
        raise BadInputError(f"{version}: {against}; --force --why TEXT approves it all the same")
    if options.force and not options.why.strip():
        raise BadInputError("--force needs --why TEXT: whoever reads the history wants to know")
    outsiders.ready(which.store, release, told_to)
    champions.approve(
        which.store,
        release,
        expected=now.version if now else None,
        who=who,
        why=options.why,
        source=SOURCE,
        forced=bool(against),
    )
    before = f", after {now.version}" if now else ""
    print(f"{version} is the champion of {which.model} now{before}, by {who}")
    return _tell(outsiders.tell(which.store, which.model, told_to))


def _against(version: str, release: dict[str, Any], now: Champion | None, history: list[Event]) -> str:
    """What speaks against approving a release, or nothing."""
    noted = next((event for event in history if event["what"] == PUBLISHED and event["version"] == version), None)
    if noted and not noted["passed"]:
        return f"a gate failed: {noted['why']}"
    if now is None:
        return ""
    compared = release.get("compared_with") or None
    if compared == now.version:
        return ""
    moved = next(event for event in reversed(history) if event["what"] in MOVES)
    since = f"{now.version} became the champion at {moved['when'][:19]}, by {moved['who'] or 'an earlier version'}"
    if any(event["version"] == version and event["what"] in MOVES for event in history):
        return f"it was the champion before, and is superseded: {since}; `gleaner release rollback --to` goes back"
    if compared is None:
        return f"it was never compared with a champion, and is superseded: {since}; run again to compare them"
    return f"it was compared with {compared}, and is superseded: {since}; run again to compare them"


def _reject(options: argparse.Namespace) -> int:
    which, words = opened(options)
    version = one_version(which, words)
    who, told_to = person(options), outside(options)
    done = champions.reject(which.store, which.model, version, who=who, why=options.why, source=SOURCE)
    print(f"{version} of {which.model} is rejected" + (f", by {who}" if done else " already"))
    return _tell(Told(outsiders.registered(which.store, which.model, version, "rejected", told_to)))


def _rollback(options: argparse.Namespace) -> int:
    which, words = opened(options)
    if words:
        raise BadInputError(f"expected no VERSION, got {' '.join(words)}; --to VERSION says which")
    who, told_to = person(options), outside(options)
    now = champions.champion(which.store, which.model)
    if now is None:
        raise BadInputError(f"{which.store.uri}/{which.root}: has no champion yet; there is nothing to go back from")
    to = _target(which, options.to, now)
    release = verified_release(which.store, f"{which.root}{to}/")
    outsiders.ready(which.store, release, told_to)
    champions.rollback(which.store, which.model, expected=now.version, to=to, who=who, why=options.why, source=SOURCE)
    print(f"{to} is the champion of {which.model} again, {now.version} is rolled back, by {who}")
    return _tell(outsiders.tell(which.store, which.model, told_to))


def _target(which: Which, wanted: str | None, now: Champion) -> str:
    """The version to go back to."""
    if wanted is None:
        before = champions.before(which.store, which.model)
        if before is None:
            raise BadInputError(f"{now.version} is the first champion of {which.model}; there is none to go back to")
        if before not in versions(which):
            raise BadInputError(f"{before}: its bundle is gone; `gleaner release rollback --to VERSION` names another")
        return before
    to = one_version(which, [wanted])
    if to == now.version:
        raise BadInputError(f"{to} is the champion of {which.model}; expected another as --to")
    history = champions.history(which.store, which.model)
    if not any(to in (event["version"], event.get("previous")) and event["what"] in MOVES for event in history):
        raise BadInputError(f"{to} never was the champion; `gleaner release approve {to}` makes it so")
    return to


def _sync(options: argparse.Namespace) -> int:
    which, words = opened(options)
    if words:
        raise BadInputError(f"expected no VERSION, got {' '.join(words)}; the champion is what is told")
    told_to = outside(options)
    if not any(told_to):
        raise BadInputError("nobody to tell: neither release.gitops.repository nor release.registry is set")
    return _tell(outsiders.sync(which.store, which.model, told_to, options.again))


def _tell(told: Told) -> int:
    """Print what happened outside: on stderr, with exit code 1, where something is left to do."""
    for line in told.lines:
        print(f"error: {line}" if line.startswith("decided, but") else line, file=sys.stderr if told.left else None)
    return int(told.left)
