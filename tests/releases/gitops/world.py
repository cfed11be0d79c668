"""Real repositories for the tests: bare ones made by git, in a folder or behind git http-backend with passwords."""

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from components.releases.gitops.promotion import Change
from components.releases.gitops.repository import Target
from tests.loopback import listen

USER, TOKEN = "deployer", "t0p-s3cret-token"
PATH = "apps/serving/inferenceservice.yaml"
MANIFEST = """\
# Which release answers.
kind: InferenceService
metadata:
  name: digits
  annotations:
    gleaner.dev/release-digest: sha256:0  # of release.json
spec:
  predictor:
    model:
      storageUri: s3://b/releases/digits/0
"""
IDENTITY = ("-c", "user.name=someone", "-c", "user.email=s@example.com")


def git(folder: Path, *words: str) -> str:
    """What git says; CalledProcessError where it fails."""
    return subprocess.run(
        ["git", *IDENTITY, *words],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"},
    ).stdout.strip()


class Bare:
    """A bare repository with the manifest on `main`, and a clone of somebody else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "fleet.git"
        self.clone = folder / "clone"
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "--bare", "-b", "main", str(self.folder))
        git(self.folder, "config", "http.receivepack", "true")
        git(folder, "init", "-q", "-b", "main", str(self.clone))
        git(self.clone, "remote", "add", "origin", str(self.folder))
        for name, text in ((PATH, MANIFEST), ("README.md", "a fleet\n"), ("apps/other/x.yaml", "kind: X\n")):
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / name).write_text(text)
        self.commit("first")

    def commit(self, message: str) -> None:
        """Commit whatever the clone holds, and push it."""
        git(self.clone, "add", "-A")
        git(self.clone, "commit", "-q", "--allow-empty", "-m", message)
        git(self.clone, "push", "-q", "origin", "HEAD:main")

    def shown(self, branch: str = "main", path: str = PATH) -> str:
        return git(self.folder, "show", f"{branch}:{path}") + "\n"

    def log(self, branch: str = "main") -> list[str]:
        return git(self.folder, "log", "--format=%s", branch).splitlines()

    def hook(self, name: str, script: str) -> None:
        path = self.folder / "hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)


def target(bare: Bare, repository: str = "", **changes: Any) -> Target:
    return Target(repository or str(bare.folder), "main", PATH)._replace(**changes)


def change(version: str, **changes: Any) -> Change:
    uri = f"s3://b/releases/digits/{version}"
    made = Change("digits", version, uri, f"sha256:{version * 3}", "anna", f"Promote digits {version}\n\nlooks right\n")
    return made._replace(**changes)


class _Handler(BaseHTTPRequestHandler):
    """git http-backend as CGI; the state is the folder of repositories, and the passwords: user -> may push."""

    state: tuple[Path, dict[str, bool]]

    def do_GET(self) -> None:
        root, users = self.state
        path, _, query = self.path.partition("?")
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        user, _, token = base64.b64decode(given).decode().partition(":")
        if user not in users or token != TOKEN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="fleet"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if "git-receive-pack" in self.path and not users[user]:
            self.send_response(403)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        done = subprocess.run(
            ["git", "http-backend"],
            input=self._body(),
            capture_output=True,
            env={
                **os.environ,
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": user,
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""


@contextmanager
def served(bare: Bare) -> Iterator[str]:
    """The address of the repository over HTTP, where USER with TOKEN may push, and `reader` may only read."""
    with listen(_Handler, (bare.folder.parent, {USER: True, "reader": False})) as address:
        yield f"{address}/{bare.folder.name}"
