"""A real S3 server for the tests: SeaweedFS on free ports of this machine, with its own folder and credentials."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

PORTS = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "filer.port", "filer.port.grpc",
         "volume.port", "volume.port.grpc", "admin.port", "admin.port.grpc")


class S3Server(NamedTuple):
    endpoint: str
    access_key: str
    secret_key: str

    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@contextmanager
def serve(folder: Path) -> Iterator[S3Server]:
    """Start SeaweedFS with its data under `folder`, wait until it answers, and end that process afterwards."""
    weed = shutil.which("weed") or str(Path(sys.executable).with_name("weed"))
    server = S3Server("", "gleaner-test", "not-a-secret")
    for _attempt in range(3):  # another process may take a free port before the server does
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        process = _start(weed, folder, ports, server)
        try:
            if _answers(f"http://127.0.0.1:{ports['s3.port']}", process):
                yield server._replace(endpoint=f"http://127.0.0.1:{ports['s3.port']}")
                return
        finally:
            process.kill()  # its data are thrown away, and an orderly end takes two seconds
            process.wait()
    raise RuntimeError("SeaweedFS did not start:\n" + (folder / "weed.log").read_text(errors="replace")[-2000:])


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _start(weed: str, folder: Path, ports: dict[str, int], server: S3Server) -> subprocess.Popen[bytes]:
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    identity = {"name": "tests", "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                "credentials": [{"accessKey": server.access_key, "secretKey": server.secret_key}]}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    flags = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0",
             "-s3.port.lance=0", "-s3.allowDeleteBucketNotEmpty=false", "-s3.autoCreateBucket=false"]
    with (folder / "weed.log").open("wb") as log:
        return subprocess.Popen([weed, "mini", f"-dir={data}", f"-s3.config={folder / 's3.json'}", *flags,
                                 *(f"-{name}={port}" for name, port in ports.items())], stdout=log, stderr=log, cwd=folder)


def _answers(endpoint: str, process: subprocess.Popen[bytes], seconds: float = 60) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(int(seconds * 10)):
        if process.poll() is not None:
            return False
        try:
            with opener.open(f"{endpoint}/healthz", timeout=2):
                return True
        except OSError:
            time.sleep(0.1)
    return False
