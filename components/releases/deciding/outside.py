"""Who is told of a decision: the repository that a cluster follows, and a Model Registry.

The store decides: its pointer moves first, by a conditional write, and then the repository is made to say the same.
Before the pointer moves, `ready` sees that the commit can be made: the repository, the file, its keys and the
credentials are there, and the server takes pushes. Where the push fails after that, the decision stands, its reason is
said, and `gleaner release sync`, or the next decision, commits it. A crash in between is the same: the history has the
decision without its commit.
"""

import json
from typing import Any, NamedTuple

from components.common.errors import BadInputError, FailedError
from components.common.files import json_text, sha256_bytes
from components.common.storage import Store
from components.releases import champion as champions
from components.releases.bundle import verified_file, verified_release
from components.releases.gitops.manifest import served
from components.releases.gitops.promotion import Change, check, push
from components.releases.gitops.repository import Repository, Target
from components.releases.history import COMMITTED, MOVES, PUBLISHED, ROLLED_BACK, Event
from components.releases.registry import Entry, register

AGAIN = "`gleaner release sync` tries again"


class Outside(NamedTuple):
    """Where decisions are told; None where they are not."""

    target: Target | None = None
    registry: str | None = None


class Told(NamedTuple):
    """What happened outside, in sentences, and whether something is left for `gleaner release sync`."""

    lines: list[str]
    left: bool = False


def ready(store: Store, release: dict[str, Any], outside: Outside) -> None:
    """See that a release could be committed. Raises BadInputError or FailedError where it could not."""
    if outside.target:
        check(outside.target, _change(store, release, {"who": "", "why": "", "from": "", "number": 0, "what": ""}))


def tell(store: Store, model: str, outside: Outside) -> Told:
    """Make the repository and the registry say which release is the champion; fails in sentences alone."""
    told = champions.history(store, model)
    event = next((event for event in reversed(told) if event["what"] in MOVES), None)
    if event is None:
        return Told([])
    lines = []
    left = False
    if outside.target:
        try:
            lines.append(_commit(store, model, event, outside.target))
        except (BadInputError, FailedError) as error:
            lines.append(f"decided, but not committed: {error}; {AGAIN}")
            left = True
    lines += registered(store, model, event["version"], "champion", outside)
    if event["previous"] and outside.registry:
        replaced = "rolled back" if event["what"] == ROLLED_BACK else "superseded"
        lines += registered(store, model, event["previous"], replaced, outside)
    return Told(lines, left)


def sync(store: Store, model: str, outside: Outside, again: bool = False) -> Told:
    """Tell once more what the store has decided. again: also where the repository had it and was changed since.

    Raises BadInputError where there is no champion, or where the repository was changed since, such as by `git revert`:
    a person says which of the two holds.
    """
    now = champions.champion(store, model)
    if now is None:
        raise BadInputError(f"{store.uri}/releases/{model}: has no champion yet; `gleaner release approve VERSION`")
    told = champions.history(store, model)
    moved = next(event["number"] for event in reversed(told) if event["what"] in MOVES)
    done = any(event["what"] == COMMITTED and event["number"] == moved for event in told)
    if outside.target and not outside.target.review and done and not again:
        repository = Repository(outside.target)
        uri, _ = served(repository.read().text, model, repository.where)
        other = uri.rpartition("/")[2]
        if other != now.version:
            raise BadInputError(
                f"{repository.where}: serves {other}, though {now.version} was committed there before; "
                f"`gleaner release rollback --to {other}` follows the repository, `gleaner release sync --again` "
                f"commits {now.version} again"
            )
    return tell(store, model, outside)


def registered(store: Store, model: str, version: str, decision: str, outside: Outside) -> list[str]:
    """Tell the registry about one release; a sentence, or none where there is no registry."""
    if not outside.registry:
        return []
    try:
        return [register(outside.registry, _entry(store, model, version, decision))]
    except BadInputError as error:
        return [f"the Model Registry at {outside.registry} was not told: {error}"]


def digest_of(release: dict[str, Any]) -> str:
    """sha256:… of release.json, as it lies in the bundle."""
    return f"sha256:{sha256_bytes(json_text(release).encode())}"


def _commit(store: Store, model: str, event: Event, target: Target) -> str:
    release = verified_release(store, f"releases/{model}/{event['version']}/")
    done = push(target, _change(store, release, event))
    if done.review:
        return f"{target.repository}: branch {done.branch} waits for a person to merge it into {target.branch}"
    champions.committed(store, model, event, commit=done.commit, source=target.repository)
    what = f"commit {done.commit[:12]}" if done.commit else "has it already"
    return f"{target.repository}, branch {done.branch}: {what}"


def _change(store: Store, release: dict[str, Any], event: Event) -> Change:
    model, version = release["model"], release["version"]
    verb = "Roll back" if event["what"] == ROLLED_BACK else "Promote"
    trailers = {
        "Gleaner-Release": f"{model} {version}",
        "Gleaner-Decision": str(event["number"]),
        "Gleaner-By": event["who"],
        "Gleaner-From": event["from"],
    }
    said = "\n".join(f"{name}: {_line(value)}" for name, value in trailers.items() if value)
    to = " to" if verb == "Roll back" else ""
    message = "\n\n".join(filter(None, [f"{verb} {model}{to} {version}", _line(event["why"]), said])) + "\n"
    uri = f"{store.uri}/releases/{model}/{version}"
    return Change(model, version, uri, digest_of(release), event["who"], message)


def _entry(store: Store, model: str, version: str, decision: str) -> Entry:
    """What the registry is told: where the bundle is, what it was made from, and what was decided."""
    folder = f"releases/{model}/{version}/"
    release = verified_release(store, folder)
    properties: dict[str, str | float] = {"decision": decision, "digest": digest_of(release)}
    properties |= {name: str(value) for name, value in release.get("digests", {}).items()}
    if "metrics.json" in release["files"]:
        accuracy = json.loads(verified_file(store, folder, release, "metrics.json")).get("accuracy")
        properties |= {"accuracy": float(accuracy)} if isinstance(accuracy, float) else {}
    told = champions.history(store, model)
    author = next((event["who"] for event in told if event["what"] == PUBLISHED and event["version"] == version), "")
    description = f"{len(release.get('classes', []))} classes: {', '.join(release.get('classes', []))}"
    return Entry(model, version, f"{store.uri}/{folder}".rstrip("/"), description[:1000], author, properties)


def _line(text: str) -> str:
    return " ".join(text.split())
