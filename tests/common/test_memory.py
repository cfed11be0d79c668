"""Limits of control groups as the kernel's versions and container runtimes show them, and the words made of them."""

import mmap
from pathlib import Path

import pytest

from components.common import memory
from components.common.errors import BadInputError
from components.common.memory import Need, check, held, killed, kills, limit, size

HUGE = "9223372036854771712"  # version 1's "no limit", for pages of 4 KiB
GIB = 1 << 30


def tree(folder: Path, files: dict[str, str], own: str) -> tuple[Path, Path]:
    """Mounted control groups with these files, and the file that names a process's own."""
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    (folder / "cgroup").mkdir(exist_ok=True)
    (folder / "own").write_text(own)
    return folder / "cgroup", folder / "own"


@pytest.mark.parametrize(
    ("files", "own", "expected"),
    [
        # version 2, in a container of its own namespace, without and with a limit
        ({"memory.max": "max"}, "0::/\n", None),
        ({"memory.max": "6442450944"}, "0::/\n", 6 * GIB),
        # version 2, on the host: the least of all levels; the root has no file
        ({"a/memory.max": "3221225472", "a/b/memory.max": "max"}, "0::/a/b\n", 3 * GIB),
        ({"a/memory.max": "3221225472", "a/b/memory.max": "1073741824"}, "0::/a/b\n", GIB),
        # version 2, the host's path inside a container, and a path outside of the namespace
        ({"memory.max": "6442450944"}, "0::/kubepods/burstable/pod1/container1\n", 6 * GIB),
        ({"memory.max": "6442450944"}, "0::/../../container2\n", 6 * GIB),
        # version 1: the same cases
        ({"memory/memory.limit_in_bytes": HUGE}, "4:memory:/\n3:cpu,cpuacct:/\n", None),
        ({"memory/memory.limit_in_bytes": "6442450944"}, "4:memory:/docker/0123\n", 6 * GIB),
        (
            {"memory/memory.limit_in_bytes": HUGE, "memory/a/memory.limit_in_bytes": "1073741824"},
            "5:cpu:/b\n4:memory:/a\n",
            GIB,
        ),
        # both: memory is version 1's, or it is version 2's, mounted beside
        (
            {"memory/a/memory.limit_in_bytes": "1073741824", "unified/memory.max": "5"},
            "4:memory:/a\n1:name=systemd:/c:d\n0::/c:d\n",
            GIB,
        ),
        ({"unified/a/memory.max": "1073741824", "cpu/x": ""}, "3:cpu:/\n0::/a\n", GIB),
        # nothing mounted, nothing named, nothing that can be read
        ({}, "0::/a\n", None),
        ({"memory.max": "6442450944"}, "", None),
        ({"memory.max": "six"}, "0::/\n", None),
    ],
)
def test_the_limit_is_the_least_that_holds(tmp_path, files, own, expected):
    assert limit(*tree(tmp_path, files, own)) == expected


def test_without_control_groups_there_is_no_limit(tmp_path):
    assert limit(tmp_path / "none", tmp_path / "none") is None
    assert kills(tmp_path / "none", tmp_path / "none") == 0
    assert held(tmp_path / "none") == 0


@pytest.mark.parametrize(
    ("files", "own"),
    [
        ({"a/memory.events": "low 0\noom 4\noom_kill 3\noom_group_kill 0"}, "0::/a\n"),
        ({"memory/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3"}, "4:memory:/a\n"),
    ],
)
def test_kills_are_counted(tmp_path, files, own):
    assert kills(*tree(tmp_path, files, own)) == 3


def test_what_this_process_holds_grows_with_what_it_takes():
    with mmap.mmap(-1, 64 << 20) as taken:
        before = held()
        taken.write(b"\1" * len(taken))
        assert held() - before >= 64 << 20
    assert before > 10 << 20


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1 << 10, "1 KiB"),
        (6 << 20, "6 MiB"),
        (6.25 * GIB, "6.2 GiB"),
        (GIB << 10, "1.0 TiB"),
    ],
)
def test_sizes_are_said_as_resources_say_them(number, text):
    assert size(number) == text


def test_what_cannot_go_well_is_refused_and_what_may_not_is_said(monkeypatch, capsys):
    levers = ["pretrain.batch_size (256)", "pretrain.image_size (64)"]
    monkeypatch.setattr(memory, "limit", lambda: 4 * GIB)
    check("pretrain", lambda: Need(3 * GIB, 4 * GIB), levers)
    assert capsys.readouterr().out == ""
    check("pretrain", lambda: Need(3 * GIB, 5 * GIB), levers)
    rest = (
        "5.0 GiB of memory, and its limit is 4.0 GiB; lower pretrain.batch_size (256) or pretrain.image_size (64), or "
        "raise resources.pretrain.memory"
    )
    assert capsys.readouterr().out == f"warning: pretrain may be killed: it needs about {rest}\n"
    with pytest.raises(BadInputError) as refused:
        check("pretrain", lambda: Need(5 * GIB, 6 * GIB), levers)
    assert str(refused.value) == f"needs at least {rest}"


def test_processes_that_train_together_share_the_limit(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: 4 * GIB)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(BadInputError, match=r"at least 6\.0 GiB"):
        check("pretrain", lambda: Need(3 * GIB, 3 * GIB), ["x"])


def test_without_a_limit_nothing_is_counted(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: None)
    check("pretrain", lambda: pytest.fail("counted"), [])


def test_last_words_of_a_stage_that_was_killed(monkeypatch):
    monkeypatch.setattr(memory, "limit", lambda: None)
    monkeypatch.setattr(memory, "kills", lambda: 0)
    said = "ended by SIGKILL, most likely for memory"
    assert killed("warmup") == f"{said}; lower warmup.batch_size or pretrain.image_size"
    assert killed("s", 3 * GIB) == f"{said} (it held 3.0 GiB in one process)"
    monkeypatch.setattr(memory, "limit", lambda: 2 * GIB)
    monkeypatch.setattr(memory, "kills", lambda: 1)
    assert killed("pretrain") == (
        f"{said} (its limit is 2.0 GiB, the kernel has ended 1 of its processes for memory); "
        "lower pretrain.batch_size or pretrain.image_size, or raise resources.pretrain.memory"
    )
