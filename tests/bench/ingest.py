"""Ingest of a folder of small PNGs to S3, beside boto3 with one object per file and 16 threads: the same files, the
same SeaweedFS.

Ours is the stage's own command, from the start of its process: it decodes, checks, hashes, splits and reports too. More
runs of it, which are not compared, say where its CPU seconds go.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import numpy as np
from botocore.config import Config
from PIL import Image

from components.common.data.images import png
from components.common.files import read_json
from components.ingest.example import mnist
from tests.bench.machine import spread
from tests.faulty import faulty
from tests.s3 import S3Server, serve

IMAGES = 20_000
RUNS = 3
THREADS = 16

STAGE = ["-m", "components.ingest"]
PHASES = ["-c", "from tests.bench.phases import main; main()"]
# Runs a command, then prints the peak of its memory in KiB. Linux counts the memory of the process that started it as a
# process's own, so that a small one starts it.
SMALL = """
import os, sys
_, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


class Ingested(NamedTuple):
    seconds: float
    memory: int  # bytes, of the process of the stage; its decoders are smaller
    images: int
    log: str


def main() -> None:
    with world(IMAGES) as (root, server):
        ours: list[Ingested] = []
        theirs: list[float] = []
        for run in range(RUNS):
            theirs.append(one_object_per_file(root / "photos", server, f"files-{run}"))
            ours.append(ingest(root, server.endpoint, server, f"shards-{run}"))
        phases = [
            json.loads(ingest(root, server.endpoint, server, f"phases-{run}", PHASES).log.splitlines()[-1])
            for run in range(RUNS)
        ]
        with faulty(server.endpoint) as proxy:  # which costs time, so that it is a run of its own
            ingest(root, proxy.endpoint, server, "counted")
    print(f"ingest of {IMAGES:,} PNGs of 28x28 pixels, local folder to S3 (SeaweedFS)")
    print(f"  boto3, one object per file, {THREADS} threads  {spread(theirs, digits=1, unit=' s')}, {IMAGES:,} PUT")
    print(
        f"  ours, the stage's command              {spread([run.seconds for run in ours], digits=1, unit=' s')}, "
        f"{proxy.methods['PUT']} PUT of {proxy.counts['requests']} requests, "
        f"{max(run.memory for run in ours) / 1e6:.0f} MB"
    )
    ratios = [other / run.seconds for other, run in zip(theirs, ours, strict=True)]
    print(f"  ratio                                  {spread(ratios, digits=1, unit='x')}")
    print("  CPU seconds of ours, by phase")
    for phase in phases[0]:
        print(f"    {phase:36} {spread([run[phase] for run in phases], digits=2)}")
    print(f"    {'all':36} {spread([sum(run.values()) for run in phases], digits=2)}\n", flush=True)


@contextmanager
def world(images: int) -> Iterator[tuple[Path, S3Server]]:
    """A folder with `photos`, and a server with its data beside them."""
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder, serve(Path(folder) / "seaweedfs") as server:
        photos = Path(folder) / "photos"
        digits, classes = mnist()
        for number in range(images):
            if number < 10:
                (photos / str(number)).mkdir(parents=True)
            data = png(Image.fromarray(picture(digits, number)))
            (photos / str(classes[number % len(digits)]) / f"{number:06d}.png").write_bytes(data)
        yield Path(folder), server


def picture(digits: np.ndarray, number: int) -> np.ndarray:
    """One of many different images made of 5,000 digits: turned by quarters first, then laid over each other."""
    count = len(digits)
    turned = np.rot90(digits[number % count], number // count % 4)
    layer = number // (4 * count)
    return turned if not layer else np.maximum(turned, digits[(number + 487 * layer) % count][::-1])


def one_object_per_file(photos: Path, server: S3Server, bucket: str) -> float:
    """Seconds that the usual way takes."""
    client: Any = boto3.Session().client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        region_name="us-east-1",
        config=Config(max_pool_connections=THREADS, proxies={}),
    )
    client.create_bucket(Bucket=bucket)
    files = sorted(path for path in photos.rglob("*.png"))

    def put(path: Path) -> None:
        client.put_object(Bucket=bucket, Key=path.relative_to(photos).as_posix(), Body=path.read_bytes())

    start = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, files))
    return time.perf_counter() - start


def ingest(root: Path, endpoint: str, server: S3Server, bucket: str, program: list[str] = STAGE) -> Ingested:
    """The stage's command as a pod runs it, into a bucket of its own."""
    environment = {**os.environ, **server.environment(), "AWS_ENDPOINT_URL": endpoint}
    make = f"from components.common.storage import open_store; open_store('s3://{bucket}').make_bucket()"
    subprocess.run([sys.executable, "-c", make], env={**environment, **server.environment()}, check=True)
    out = root / bucket
    out.mkdir()
    command = [
        sys.executable,
        "-c",
        SMALL,
        sys.executable,
        *program,
        "--source",
        str(root / "photos"),
        "--name",
        "digits",
        "--store",
        f"s3://{bucket}/bench",
        "--settings",
        json.dumps({"mode": "L", "processes": os.cpu_count()}),
        "--dataset",
        str(out / "dataset"),
        "--report",
        str(out / "report.html"),
    ]
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:])
    log, _, memory = done.stdout.strip().rpartition("\n")
    shards = read_json(out / "dataset" / "dataset.json")["shards"]
    return Ingested(seconds, int(memory) * 1024, sum(shard["images"] for shard in shards), log)
