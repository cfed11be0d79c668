"""What Prometheus is told of the newest look, by the command that the pod runs."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import urllib3

from components.common.storage import open_store
from components.monitor.looks import publish
from components.monitor.metrics import main
from tests.monitor.look import LOOK

ROOT = Path(__file__).parents[2]


def series(link: str) -> dict[str, float]:
    text = urllib3.request("GET", link).data.decode()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines()) if name[0] != "#"
    }


def waited(link: str, name: str, value: float) -> dict[str, float]:
    end = time.monotonic() + 20
    while (found := series(link)).get(name) != value:
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_it_tells_of_the_newest_look_and_when_the_store_is_away(tmp_path: Path):
    place = tmp_path / "store"
    store = open_store(str(place))
    publish(store, "digits", LOOK, {})
    command = [sys.executable, "-m", "components.monitor.metrics", "--name", "digits", "--name", "other"]
    process = subprocess.Popen(
        [*command, "--store", str(place), "--port", "0", "--every", "0.05"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        link = re.search(r"http://\S+", process.stdout.readline())
        assert link
        which = '{model="digits",version="v1"}'
        told = waited(link[0], f"gleaner_watch_alarm{which}", 1)
        assert told["gleaner_watch_reached"] == 1
        assert told['gleaner_watch_audited_accuracy{end="value",model="digits",version="v1"}'] == 0.89
        assert told['gleaner_watch_expected_accuracy{end="low",model="digits",version="v1"}'] == 0.87
        assert told['gleaner_watch_share{class="7",model="digits",of="estimate",version="v1"}'] == 0.19
        assert (
            told['gleaner_watch_signal_alarm{family="inputs",model="digits",signal="embedding_mmd",version="v1"}'] == 1
        )
        assert not any('model="other"' in name for name in told)

        quiet = {**LOOK, "number": 2, "audit": None, "verdict": {**LOOK["verdict"], "alarm": False}}
        publish(store, "digits", quiet, {})
        told = waited(link[0], f"gleaner_watch_alarm{which}", 0)
        assert told[f"gleaner_watch_look{which}"] == 2
        assert not any(name.startswith("gleaner_watch_audited") for name in told)

        (place / "monitor" / "digits" / "looks" / "000002.json").write_text("torn")
        told = waited(link[0], "gleaner_watch_reached", 0)
        assert told[f"gleaner_watch_look{which}"] == 2  # what was known last
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "000002.json: is no look" in errors


def test_an_address_that_is_taken_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match="2"):
        main(["--name", "digits", "--store", str(tmp_path), "--host", "203.0.113.1", "--port", "0"])
    assert capsys.readouterr().err.startswith("error: metrics: ")
