"""The time limit that pyproject.toml gives every test, on a test that hangs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HANGS = """
import threading

def waiting_in_a_thread():
    threading.Event().wait()

def test_hangs():
    threading.Thread(target=waiting_in_a_thread, daemon=True).start()
    threading.Event().wait()

def test_goes_on():
    pass
"""


def test_a_test_that_hangs_fails_with_the_stacks_of_all_threads(tmp_path):
    (tmp_path / "test_hangs.py").write_text(HANGS)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path), "--collect-only"], capture_output=True, text=True
    )
    assert "timeout: 300.0s\ntimeout method: signal\n" in done.stdout
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path), "--timeout", "0.5"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "Failed: Timeout (>0.5s) from pytest-timeout" in done.stdout
    assert "in waiting_in_a_thread" in done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
