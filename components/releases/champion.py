"""Which release of a model is its champion, and the decisions that make it so.

    releases/<model>/champion.json   {"format": 2, "model", "version", "previous", "number", "barred", "event"}

`version` is the champion's, null where there is none yet; `barred` are versions that were rejected or rolled back;
`event` is the newest decision, `number` its own. The pointer moves by a conditional write, so that of several at once
one wins. Whoever moves it first sees to it that the event it holds is in the history, so that a crash between the move
and the history loses nothing.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from components.common.errors import BadInputError, FailedError
from components.common.files import json_text
from components.common.storage import IntegrityError, Store
from components.releases import history as past
from components.releases.history import APPROVED, PROMOTED, PUBLISHED, REJECTED, ROLLED_BACK, Event

FORMAT = 2
TRIES = 1000  # each that fails is somebody else's decision
BEFORE_HISTORIES = "promoted by a version of Gleaner that kept no history"


class MovedError(BadInputError):
    """The champion is another than the one that a release was compared with."""


class BarredError(BadInputError):
    """The version was rejected or rolled back: only a person promotes it."""


class Champion(NamedTuple):
    version: str
    previous: str | None  # what it replaced
    number: int  # of the newest decision about the model
    etag: str  # of champion.json
    event: Event  # the newest decision


class _Head(NamedTuple):
    """champion.json; without a file, all that follows is empty."""

    version: str | None
    previous: str | None
    barred: tuple[str, ...]
    event: Event | None
    etag: str | None


class _Decision(NamedTuple):
    what: str
    version: str
    who: str
    why: str
    source: str
    forced: bool = False


def champion(store: Store, model: str) -> Champion | None:
    """The champion as it now is; None where there is none yet."""
    head = _head(store, model)
    if head.version is None or head.event is None or head.etag is None:
        return None
    return Champion(head.version, head.previous, head.event["number"], head.etag, head.event)


def published(store: Store, release: dict[str, Any], *, passed: bool, who: str, why: str, source: str) -> None:
    """Note that a bundle was published; of a version that was published before, nothing changes.

    passed: whether every gate let it pass. why: the verdict in words. source: the run that it came from.
    """
    event = {"what": PUBLISHED, "version": release["version"], "passed": passed, "who": who, "why": why, "from": source}
    past.keep(store, release["model"], {**event, "when": past.now()})


def committed(store: Store, model: str, event: Event, *, commit: str, source: str) -> None:
    """Note that a decision is in the repository that a cluster follows. commit: its id, empty where the repository had
    it before. source: the repository's address.
    """
    note = {"what": past.COMMITTED, "number": event["number"], "version": event["version"], "commit": commit}
    past.keep(store, model, {**note, "who": event["who"], "why": "", "from": source, "when": past.now(event["when"])})


def promote(store: Store, release: dict[str, Any], *, expected: str | None, who: str, why: str, source: str) -> bool:
    """Make a published release the champion without asking anyone; False where it is the champion already.

    expected: version of the champion that it was compared with, None where there was none. source: the run that it
    came from. Raises MovedError where the champion is another one now, BarredError where a person has rejected it or
    rolled it back.
    """
    version = release["version"]

    def decide(head: _Head) -> _Decision | None:
        if head.version == version:
            return None
        if version in head.barred:
            raise barred_error(version)
        if head.version != expected:
            raise MovedError(
                f"the champion is {head.version or 'none'} now, and {version} was compared with {expected or 'none'}; "
                "run again to compare it with the champion of today"
            )
        return _Decision(PROMOTED, version, who, why, source)

    return _move(store, release["model"], decide) is not None


def approve(
    store: Store,
    release: dict[str, Any],
    *,
    expected: str | None,
    who: str,
    why: str,
    source: str,
    forced: bool = False,
) -> bool:
    """Make a release the champion since a person says so, one that was rejected or rolled back too; False where it is
    the champion already.

    expected: version of the champion at which that person looked. Raises MovedError where it is another one now.
    """
    version = release["version"]

    def decide(head: _Head) -> _Decision | None:
        if head.version == version:
            return None
        _unmoved(head, expected)
        return _Decision(APPROVED, version, who, why, source, forced)

    return _move(store, release["model"], decide) is not None


def reject(store: Store, model: str, version: str, *, who: str, why: str, source: str) -> bool:
    """Bar a version from being promoted automatically; False where it is barred already.

    Raises BadInputError where it is the champion.
    """

    def decide(head: _Head) -> _Decision | None:
        if head.version == version:
            raise BadInputError(f"{version} is the champion of {model}; `gleaner release rollback` takes it back")
        return None if version in head.barred else _Decision(REJECTED, version, who, why, source)

    return _move(store, model, decide) is not None


def rollback(store: Store, model: str, *, expected: str | None, to: str, who: str, why: str, source: str) -> None:
    """Make `to` the champion again, and bar the one that it replaces.

    expected: version of the champion that is to go. Raises MovedError where it is another one now.
    """

    def decide(head: _Head) -> _Decision:
        _unmoved(head, expected)
        return _Decision(ROLLED_BACK, to, who, why, source)

    _move(store, model, decide)


def before(store: Store, model: str) -> str | None:
    """The version that a rollback returns to: the champion before this one that nobody has barred; None where there is
    none.
    """
    head = _head(store, model)
    line = past.line_of(history(store, model))
    return next((version for version in reversed(line) if version not in {head.version, *head.barred}), None)


def barred(store: Store, model: str) -> tuple[str, ...]:
    """Versions that are never promoted automatically: rejected or rolled back, and not approved since."""
    return _head(store, model).barred


def barred_error(version: str) -> BarredError:
    return BarredError(f"{version} was rejected or rolled back before; `gleaner release approve {version}` promotes it")


def history(store: Store, model: str) -> list[Event]:
    """All that was published and decided, the oldest first.

    An event is {"what", "version", "who", "when", "why", "from"}; a decision has "number", "previous" (the champion
    before it), "champion" (the one after it), "forced" and "after" too, what was published has "passed".
    """
    return past.events(store, model, _head(store, model).event)


def _unmoved(head: _Head, expected: str | None) -> None:
    if head.version != expected:
        by = f", by {head.event['who']} at {head.event['when']}" if head.event else ""
        raise MovedError(
            f"the champion is {head.version or 'none'} now, no longer {expected or 'none'}{by}; see `gleaner release "
            "list` and decide again"
        )


def _move(store: Store, model: str, decide: Callable[[_Head], _Decision | None]) -> Event | None:
    """Write what `decide` makes of the pointer as it is, tried again where someone was faster; None where there is
    nothing to decide.
    """
    for _ in range(TRIES):
        head = _head(store, model)
        decision = decide(head)
        if decision is None:
            return None
        if head.event:
            past.keep(store, model, head.event)
        event = _event(head, decision)
        if store.replace_if_unchanged(_key(model), _pointer(model, head, event), head.etag):
            past.keep(store, model, event)
            return event
    raise FailedError(f"{store.uri}/{_key(model)}: {TRIES} others were faster; try again later")


def _event(head: _Head, decision: _Decision) -> Event:
    rejected = decision.what == REJECTED
    return {
        "number": head.event["number"] + 1 if head.event else 1,
        "what": decision.what,
        "version": decision.version,
        "previous": head.version,
        "champion": head.version if rejected else decision.version,
        "who": decision.who,
        "when": past.now(head.event["when"] if head.event else ""),
        "why": decision.why,
        "from": decision.source,
        "forced": decision.forced,
        "after": past.digest(head.event),
    }


def _pointer(model: str, head: _Head, event: Event) -> bytes:
    """champion.json once `event` is the newest."""
    out = {REJECTED: event["version"], ROLLED_BACK: event["previous"]}.get(event["what"])
    closed = {*head.barred, *([out] if out else [])} - {event["champion"]}
    same = event["champion"] == head.version
    pointer = {
        "format": FORMAT,
        "model": model,
        "version": event["champion"],
        "previous": head.previous if same else head.version,
        "number": event["number"],
        "barred": sorted(closed),
        "event": event,
    }
    return json_text(pointer).encode()


def _head(store: Store, model: str) -> _Head:
    key = _key(model)
    while True:
        stat = store.stat(key)  # before it is read: what is read is the one that was looked at, or a later one
        if stat is None:
            return _Head(None, None, (), None, None)
        try:
            about = json.loads(store.read(key))
            if about["format"] == 1:
                return _first(about, stat.etag, stat.modified)
            if about["format"] == FORMAT:
                return _Head(about["version"], about["previous"], (*about["barred"],), about["event"], stat.etag)
        except KeyError as gone:
            if gone.args == (key,):  # deleted since
                continue
        except (ValueError, TypeError):
            pass
        raise IntegrityError(
            f"{store.uri}/{key}: is no pointer to a champion that this version of Gleaner reads; restore it"
        )


def _first(about: dict[str, Any], etag: str, modified: float) -> _Head:
    """A pointer from before histories were kept, as the first decision."""
    event = {
        "number": 1,
        "what": PROMOTED,
        "version": about["version"],
        "previous": about["previous"],
        "champion": about["version"],
        "who": "",
        "when": datetime.fromtimestamp(modified, UTC).isoformat(timespec="milliseconds"),
        "why": BEFORE_HISTORIES,
        "from": "",
        "forced": False,
        "after": "",
    }
    return _Head(about["version"], about["previous"], (), event, etag)


def _key(model: str) -> str:
    return f"releases/{model}/champion.json"
