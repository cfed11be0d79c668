"""The server's speed, for ResNet-9 at 28 px and ResNet-18 at 224 px with random weights: requests per second beside
plain FastAPI with torch, latency at a fixed rate, overload and recovery, memory over minutes, hostile uploads, start.

Requests per second are by wrk (16 connections), which waits for each answer before it asks again; a rate is held by
open_loop, which does not. Client and server share the machine's cores.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np

from tests.bench.machine import spread
from tests.bench.serving_models import image, release
from tests.ingest.reading.test_mutants import mutants
from tests.processes import descendants, free_port
from tests.serve.running import ROOT, Running, running

CONNECTIONS = 16
WAITS = (0, 1, 2, 5)  # milliseconds that a batch waits
LUA = """
local file = io.open(os.getenv("IMAGE"), "rb")
wrk.method = "POST"
wrk.headers["Content-Type"] = "multipart/form-data; boundary=f0f1f2f3"
wrk.body = '--f0f1f2f3\\r\\nContent-Disposition: form-data; name="image"; filename="a.png"\\r\\n\\r\\n'
  .. file:read("*a") .. '\\r\\n--f0f1f2f3--\\r\\n'
"""


class Effort(NamedTuple):
    """How long each part measures, in seconds, and how often."""

    wrk: float
    runs: int
    rate: float
    overload: float
    memory: float
    hostile: int
    starts: int


FULL = Effort(wrk=10, runs=5, rate=60, overload=20, memory=300, hostile=500, starts=5)


def main(effort: Effort = FULL, architectures: Sequence[str] = ("resnet9", "resnet18")) -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as name:
        folder = Path(name)
        (folder / "post.lua").write_text(LUA)
        for architecture in architectures:
            place = release(architecture, str(folder / "store"))
            picture = image(architecture, folder)
            start(architecture, place, effort)
            beside_plain(architecture, place, picture, folder, effort)
            if effort is FULL:
                waits(architecture, place, picture, folder, effort)
            under_load(architecture, place, picture, folder, effort)


def start(architecture: str, place: str, effort: Effort) -> None:
    took = []
    for _ in range(effort.starts):
        begun = time.perf_counter()
        with running(place):
            took.append(time.perf_counter() - begun)
    print(f"{architecture}: cold start to ready, s {spread(took, digits=2)}", flush=True)


def beside_plain(architecture: str, place: str, picture: Path, folder: Path, effort: Effort) -> None:
    """Requests per second of both, in turns, so that a busy moment of the machine meets both."""
    ours, theirs = [], []
    with running(place) as server, plain(architecture) as peer:
        for link in (server.link, peer):
            wrk(link, picture, folder, min(2, effort.wrk))
        for _ in range(effort.runs):
            ours.append(wrk(server.link, picture, folder, effort.wrk))
            theirs.append(wrk(peer, picture, folder, effort.wrk))
    print(f"{architecture}: requests/s {spread(ours, digits=0)}")
    print(f"{architecture}: requests/s of plain FastAPI and torch {spread(theirs, digits=0)}")
    print(
        f"{architecture}: ratio {spread([a / b for a, b in zip(ours, theirs, strict=True)], digits=2, unit='x')}",
        flush=True,
    )


def waits(architecture: str, place: str, picture: Path, folder: Path, effort: Effort) -> None:
    """What a wait for a fuller batch gains and costs."""
    for wait in WAITS:
        with running(place, "--max-wait", str(wait)) as server:
            rates = [wrk(server.link, picture, folder, effort.wrk) for _ in range(3)]
            batch = server.metric("gleaner_batch_images_sum") / server.metric("gleaner_batch_images_count")
            seconds, _ = at_rate(server.link, picture, 50, 10)
        print(
            f"{architecture}: batch waits {wait} ms: requests/s {spread(rates, digits=0)}, {batch:.1f} images a batch; "
            f"at 50 requests/s p50 {_ms(seconds, 50)}, p99 {_ms(seconds, 99)}",
            flush=True,
        )


def under_load(architecture: str, place: str, picture: Path, folder: Path, effort: Effort) -> None:
    with running(place) as server:
        capacity = wrk(server.link, picture, folder, effort.wrk)
        seconds, codes = at_rate(server.link, picture, 100, effort.rate)
        print(
            f"{architecture}: 100 requests/s for {effort.rate:g} s (it can bear {capacity:.0f}): p50 "
            f"{_ms(seconds, 50)}, p99 {_ms(seconds, 99)}; answers {codes}",
            flush=True,
        )
        seconds, codes = at_rate(server.link, picture, 5 * capacity, effort.overload)
        shed = server.metric("gleaner_shed_total")
        print(
            f"{architecture}: 5x of what it can bear for {effort.overload:g} s: answers {codes}, shed {shed:.0f}; of "
            f"those answered p50 {_ms(seconds, 50)}, p99 {_ms(seconds, 99)}"
        )
        seconds, codes = at_rate(server.link, picture, capacity / 2, 10)
        print(f"{architecture}: right after it, at half: p99 {_ms(seconds, 99)}; answers {codes}", flush=True)
        memory(architecture, server, picture, min(100, capacity / 2), effort)
        hostile(architecture, server, effort)


def memory(architecture: str, server: Running, picture: Path, rate: float, effort: Effort) -> None:
    """Resident memory of the server and its decoders, over minutes at a rate that it bears."""
    held: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1):
            held.append(sum(_resident(each) for each in (server.process.pid, *descendants(server.process.pid))))

    thread = threading.Thread(target=watch)
    thread.start()
    _, codes = at_rate(server.link, picture, rate, effort.memory)
    over.set()
    thread.join()
    tenth = max(1, len(held) // 10)
    first, last = statistics.mean(held[:tenth]), statistics.mean(held[-tenth:])
    print(
        f"{architecture}: memory over {effort.memory:g} s at {rate:.0f} requests/s: {first / 1e6:.0f} MB in the first "
        f"tenth, {last / 1e6:.0f} MB in the last ({last / first - 1:+.1%}); answers {codes}",
        flush=True,
    )


def hostile(architecture: str, server: Running, effort: Effort) -> None:
    codes: Counter[int] = Counter()
    for _, data in mutants(effort.hostile):
        codes[server.client.post("/predict", content=data, headers={"content-type": "image/png"}).status_code] += 1
    is_well = server.client.get("/v2/health/ready").status_code == 200 and server.errors == ""
    print(
        f"{architecture}: {effort.hostile} hostile uploads: answers {dict(sorted(codes.items()))}, "
        f"{server.metric('gleaner_decoders_replaced_total'):.0f} decoders replaced, "
        f"{'ready afterwards' if is_well else 'NOT READY afterwards'}",
        flush=True,
    )


def wrk(link: str, picture: Path, folder: Path, seconds: float) -> float:
    """Requests per second; each has to be answered 200."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "--timeout", "20s", "-s", str(folder / "post.lua")]
    environment = {**os.environ, "IMAGE": str(picture)}
    said = subprocess.run(
        [*command, f"{link}/predict"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    if bad := re.findall(r"Non-2xx.*|Socket errors.*", said):
        print(f"wrk: {'; '.join(bad)}", flush=True)
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", said)[0])


def at_rate(link: str, picture: Path, rate: float, seconds: float) -> tuple[np.ndarray, dict[str, int]]:
    """Seconds of the requests that were answered 200, and how many were answered how."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as answers:
        words = [link, str(picture), str(rate), str(seconds), answers.name]
        subprocess.run([sys.executable, "-m", "tests.bench.open_loop", *words], cwd=ROOT, check=True)
        said = json.load(answers)
    return np.array(said["seconds"]), dict(sorted(said["codes"].items()))


@contextmanager
def plain(architecture: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.plain_server", architecture, str(port)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
        link = f"http://127.0.0.1:{port}"
        while True:
            try:
                httpx.get(f"{link}/docs", trust_env=False)
                break
            except httpx.TransportError:
                assert process.poll() is None
                time.sleep(0.1)
        try:
            yield link
        finally:
            process.terminate()


def _resident(number: int) -> int:
    try:
        return int(Path(f"/proc/{number}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _ms(seconds: np.ndarray, percentile: float) -> str:
    return f"{1000 * np.percentile(seconds, percentile):.1f} ms" if len(seconds) else "none"


if __name__ == "__main__":
    main()
