"""Read one file of a branch, and push a commit that changes it: by dulwich, since pods have no git program.

Credentials come from GLEANER_GIT_USERNAME and GLEANER_GIT_TOKEN; they are in no address, message or commit.
"""

import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from components.common.errors import BadInputError, FailedError

TIMEOUT = 60.0  # seconds without a byte from the server
TOKEN, USERNAME, EMAIL = "GLEANER_GIT_TOKEN", "GLEANER_GIT_USERNAME", "GLEANER_GIT_EMAIL"
ANYONE = "x-access-token"  # user name that servers of Git take with a token
CREDENTIALS = f"give a token that may push, as {TOKEN} (and {USERNAME} where the server wants one)"
REFUSED = ("401", "403")


class Target(NamedTuple):
    """Where promotions are committed."""

    repository: str  # https:// or a folder
    branch: str
    path: str  # of the manifest
    review: bool = False  # push a branch of its own, to be merged by a person


class MovedError(Exception):
    """The branch has another commit than the one that was read."""


class RefusedError(Exception):
    """The server does not take the push; its words, in one line."""


class Snapshot(NamedTuple):
    """A file of a branch, as it is at one commit."""

    commit: Any  # id in hexadecimal, as dulwich types it
    text: str
    trees: list[Any]  # those on the way to the file, the root first
    mode: int  # of the file
    refs: dict[Any, Any]  # branches of the repository, with the ids of their commits
    proposed: str | None  # the file on the branch for review, where that branch stands on this very commit


class Repository:
    """A repository over http(s), or a bare or other one in a folder, which takes the git program."""

    def __init__(self, target: Target) -> None:
        """Raises BadInputError where the address cannot be used, or holds a secret."""
        address = urlsplit(target.repository)
        if "@" in address.netloc:
            raise BadInputError(
                f"release.gitops.repository: the address of {address.hostname} holds credentials, which logs would "
                f"repeat; {CREDENTIALS}"
            )
        over_http = address.scheme in ("http", "https")
        if not over_http and (address.scheme or target.repository.startswith("git@")):
            raise BadInputError(f"release.gitops.repository: got {target.repository!r}; expected https:// or a folder")
        path = PurePosixPath(target.path)
        if path.is_absolute() or not path.parts or ".." in path.parts:
            raise BadInputError(f"release.gitops.path: got {target.path!r}; expected a file inside the repository")
        self.target = target
        self.file = path.as_posix()
        self.where = f"{target.repository}, branch {target.branch}, {self.file}"
        self._over_http = over_http

    def read(self, review: str = "") -> Snapshot:
        """The file as it now is on the branch, and on the one for `review`; BadInputError where the branch lacks it."""
        from dulwich.repo import Repo

        wanted, other = self._ref(self.target.branch), self._ref(review)
        with (
            tempfile.TemporaryDirectory(prefix="gleaner-git-") as folder,
            self._client() as (client, path),
            Repo.init_bare(folder) as copy,
        ):
            found = client.fetch(
                path, copy, lambda refs, depth=None: [refs[ref] for ref in (wanted, other) if ref in refs], depth=1
            )
            refs = {ref: commit for ref, commit in found.refs.items() if commit}
            if wanted not in refs:
                raise BadInputError(
                    f"{self.target.repository}: has no branch {self.target.branch!r}; correct release.gitops.branch"
                )
            objects: Any = copy.object_store
            trees, mode, data = self._walk(objects, refs[wanted])
            proposed = None
            if other in refs and objects[refs[other]].parents == [refs[wanted]]:
                proposed = self._walk(objects, refs[other])[2].decode(errors="replace")
        try:
            return Snapshot(refs[wanted], data.decode(), trees, mode, refs, proposed)
        except UnicodeDecodeError:
            raise BadInputError(f"{self.where}: is no UTF-8 text; correct release.gitops.path") from None

    def may_push(self) -> None:
        """Ask whether the server takes pushes with these credentials; BadInputError where it does not."""
        with self._client() as (client, path):
            client.send_pack(path, lambda refs: {}, lambda *_, **__: (0, iter([])))

    def push(self, seen: Snapshot, text: str, message: str, author: str, branch: str) -> str:
        """Commit `text` on top of what was read and make that the newest commit of a branch; returns its id.

        Another branch than the one that was read is replaced where it is there. Raises MovedError where someone else
        has pushed meanwhile, RefusedError where the server does not take it.
        """
        commit, objects = self._commit(seen, text, message, author)
        ref = self._ref(branch)
        words: list[bytes] = []

        def update(refs: dict[bytes, bytes]) -> dict[bytes, bytes]:
            if refs.get(ref) != seen.refs.get(ref):
                raise MovedError
            return {ref: commit.id}

        from dulwich.errors import SendPackError
        from dulwich.pack import pack_objects_to_data

        with self._client() as (client, path):
            try:
                result = client.send_pack(
                    path, update, lambda *_, **__: pack_objects_to_data(objects), progress=words.append
                )
            except SendPackError as error:
                raise RefusedError(self._line([*words, str(error).encode()])) from None
        refusal = (result.ref_status or {}).get(ref)
        if refusal:
            raise RefusedError(self._line([*words, refusal.encode()]))
        return commit.id.decode()

    @contextmanager
    def _client(self) -> Iterator[tuple[Any, str]]:
        """A client, and the path that its methods take, for the block."""
        logging.getLogger("dulwich").setLevel(logging.INFO)  # below, it logs whatever a server says, and as it says it
        with self._explained():
            if self._over_http:
                with _http(self.target.repository) as client:
                    yield client, ""
            else:
                yield _of_folder(self.target.repository)

    def _walk(self, store: Any, commit: bytes) -> tuple[list[Any], int, bytes]:
        """Trees on the way to the file, its mode and its contents."""
        from dulwich.objects import Tree

        found = store[store[commit].tree]
        trees: list[Any] = []
        mode = stat.S_IFDIR
        for part in PurePosixPath(self.file).parts:
            if not isinstance(found, Tree) or part.encode() not in found:
                raise BadInputError(f"{self.where}: no such file; correct release.gitops.path")
            trees.append(found)
            mode, sha = found[part.encode()]
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                raise BadInputError(f"{self.where}: passes through a link; name the file itself in release.gitops.path")
            found = store[sha]
        if not stat.S_ISREG(mode):
            raise BadInputError(f"{self.where}: is a folder; expected a file as release.gitops.path")
        return trees, mode, found.data

    def _commit(self, seen: Snapshot, text: str, message: str, author: str) -> tuple[Any, list[tuple[Any, None]]]:
        """A commit whose parent is the one that was read, and all objects that are new with it."""
        from dulwich.objects import Blob, Commit, Tree

        new: list[Any] = [Blob.from_string(text.encode())]
        mode = seen.mode
        for name, old in zip(reversed(PurePosixPath(self.file).parts), reversed(seen.trees), strict=True):
            tree = Tree.from_string(old.as_raw_string())
            tree[name.encode()] = (mode, new[-1].id)
            new.append(tree)
            mode = stat.S_IFDIR
        commit = Commit()
        commit.tree, commit.parents = new[-1].id, [seen.commit]
        person = (
            "".join(letter for letter in author if letter.isprintable() and letter not in "<>").strip() or "gleaner"
        )
        commit.author = commit.committer = f"{person} <{os.environ.get(EMAIL) or 'gleaner@localhost'}>".encode()
        commit.author_time = commit.commit_time = int(time.time())
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = b"UTF-8"
        commit.message = message.encode()
        new.append(commit)
        return commit, [(one, None) for one in new]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Translate what dulwich raises: user errors to BadInputError, failures elsewhere to FailedError; no message
        repeats a secret.
        """
        from dulwich.client import HTTPProxyUnauthorized, HTTPUnauthorized, InvalidWants
        from dulwich.errors import GitProtocolError, HangupException, NotGitRepository

        where = self.target.repository
        try:
            yield
        except HTTPUnauthorized:
            given = "the credentials are not accepted" if os.environ.get(TOKEN) else "no credentials"
            raise BadInputError(f"{where}: {given}; {CREDENTIALS}") from None
        except NotGitRepository:
            hidden = " that these credentials may see" if self._over_http else ""
            raise BadInputError(f"{where}: no Git repository{hidden}; correct release.gitops.repository") from None
        except HTTPProxyUnauthorized:
            raise BadInputError(f"{where}: the proxy wants credentials; give them in https_proxy") from None
        except HangupException as error:
            raise FailedError(f"{where}: {self._line(error.stderr_lines or [b'ended in the middle'])}") from None
        except InvalidWants:
            raise MovedError from None
        except (GitProtocolError, OSError, ValueError) as error:
            if any(f"unexpected http resp {status}" in str(error) for status in REFUSED):
                raise BadInputError(f"{where}: no permission to push; {CREDENTIALS}") from None
            raise FailedError(f"{where}: {self._line([str(error).encode()])}") from None

    def _line(self, words: Sequence[bytes]) -> str:
        """What a server said, as one line without secrets."""
        said = [*b"".join(words[:-1]).decode(errors="replace").splitlines(), words[-1].decode(errors="replace")]
        text = "; ".join(said)
        for secret in filter(None, [os.environ.get(TOKEN)]):
            text = text.replace(secret, "***")
        return " ".join(part for part in text.split() if part != ";")

    def _ref(self, branch: str) -> bytes:
        return f"refs/heads/{branch}".encode()


class _Connections:
    """A pool of connections that closes all of them, those too whose answer was an error that nobody read."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager
        self.headers = manager.headers
        self.answers: list[Any] = []

    def request(self, *words: Any, **options: Any) -> Any:
        self.answers.append(self.manager.request(*words, **options))
        return self.answers[-1]

    def close(self) -> None:
        for answer in self.answers:
            answer.close()
        self.manager.clear()


@contextmanager
def _http(address: str) -> Iterator[Any]:
    from dulwich.client import HttpGitClient, default_urllib3_manager

    token = os.environ.get(TOKEN)
    user = os.environ.get(USERNAME) or (ANYONE if token else None)
    connections: Any = _Connections(default_urllib3_manager(None, base_url=address, timeout=TIMEOUT))
    try:
        yield HttpGitClient(address, pool_manager=connections, username=user, password=token, quiet=True, dumb=False)
    finally:
        connections.close()


def _of_folder(place: str) -> tuple[Any, str]:
    from dulwich.client import SubprocessGitClient
    from dulwich.repo import Repo

    folder = Path(place).expanduser().absolute()
    if not folder.is_dir():
        raise BadInputError(f"{place}: no such folder; correct release.gitops.repository")
    if shutil.which("git") is None:
        raise BadInputError(f"{place}: a repository in a folder takes the git program; install it")
    Repo(str(folder)).close()  # which says whether it is one; the git program would only hang up
    return SubprocessGitClient(quiet=True), str(folder)
