"""Make the manifest in a repository serve a release: read, change, commit, push; again where someone was faster."""

import random
import time
from typing import NamedTuple

from components.common.errors import BadInputError, FailedError
from components.releases.gitops.manifest import serve
from components.releases.gitops.repository import MovedError, RefusedError, Repository, Snapshot, Target

TRIES = 8  # pushes that somebody else was faster than
PAUSE = 0.5  # seconds at most before the second try; doubled each time


class Change(NamedTuple):
    """A release that is to be served, and who decided so."""

    model: str
    version: str
    uri: str  # of the bundle, as the cluster reads it
    digest: str  # sha256:… of release.json
    who: str
    message: str  # of the commit


class Pushed(NamedTuple):
    commit: str  # id; empty where nothing had to change
    branch: str
    review: bool  # whether a person has to merge it


def check(target: Target, change: Change) -> None:
    """See that a promotion can be committed, and that the server takes pushes, without changing anything.

    Raises BadInputError where the repository, its branch, the file, its keys or the credentials are not there,
    FailedError where the server does not answer.
    """
    repository = Repository(target)
    serve(repository.read().text, change.model, change.uri, change.digest, repository.where)
    repository.may_push()


def push(target: Target, change: Change) -> Pushed:
    """Commit the change and push it, to the branch or to one for review. Does nothing where it is there already.

    Raises BadInputError where the server refuses the push, with its words, and FailedError where somebody else was
    faster every time; then nothing has changed.
    """
    repository = Repository(target)
    branch = f"promote-{change.model}-{change.version}" if target.review else target.branch
    for attempt in range(TRIES):
        seen = repository.read(branch)
        text = serve(seen.text, change.model, change.uri, change.digest, repository.where)
        if text in (seen.text, seen.proposed):
            return Pushed("", branch if text == seen.proposed else target.branch, text == seen.proposed)
        try:
            return Pushed(repository.push(seen, text, change.message, change.who, branch), branch, target.review)
        except MovedError:
            pass
        except RefusedError as refusal:  # also the server's answer where someone pushed in that very moment
            if not _moved(repository, seen, branch):
                raise BadInputError(f"{target.repository}: refuses the push to {branch}: {refusal}") from None
        time.sleep(random.random() * PAUSE * 2**attempt)  # noqa: S311 (no secret)
    raise FailedError(f"{target.repository}: others pushed to {branch} {TRIES} times meanwhile; try again later")


def _moved(repository: Repository, seen: Snapshot, branch: str) -> bool:
    ref = f"refs/heads/{branch}".encode()
    return repository.read().refs.get(ref) != seen.refs.get(ref)
