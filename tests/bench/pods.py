"""Peak memory of each stage at the settings of the configurations, beside what their pods ask for and what stages that
train or embed find beforehand that they need.

What a pod is killed for is memory that cannot be given back: anonymous memory and /dev/shm, of all processes of the
stage together, each shared page counted once. It is sampled, every 50 ms (Pss_Anon and Pss_Shmem of smaps_rollup); the
kernel's own record of the largest process (VmHWM) stands beside it, with the files that this process had mapped.

Sizes are those of the configuration. Images, epochs and steps are cut, since nothing is held longer than a few steps:
after the second there are gradients and the optimizer's state, after the fourth the batches that are made ahead. The
last lines check that: twice the steps, and four times the pixels of each photograph, which DALI decodes by the batch.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from components.common.memory import Need
from components.ingest.example import write_example
from pipelines.configuration.config import load_config
from pipelines.configuration.resources import TASKS, size_bytes
from tests import natural
from tests.bench.estimate import STAGES, estimate
from tests.processes import children, descendants

CONFIGS = Path(__file__).parents[2] / "pipelines" / "configs"
PERIOD = 0.05  # seconds between two samples
CLASSES = 3
STEPS = ["pretrain.epochs=5", "warmup.steps=3", "pseudolabel.steps=3"]
ANY_PROCESSOR = [f"{stage}.precision=float32" for stage in ("pretrain", "warmup", "pseudolabel")]  # bfloat16 takes less
PHOTOS = [
    "pretrain.init=random",
    "ingest.labels=folders",
    "sample.label_access=oracle",
    "sample.round_size=null",
]  # as many weights, and answers


class Peak(NamedTuple):
    held: int  # bytes that cannot be given back, all processes together
    shm: int  # of these, shared memory
    largest: int  # resident bytes of the largest process, mapped files included


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as name:
        folder = Path(name)
        write_example("mnist", folder / "digits")
        photographs(folder / "photos", 420, 1024)
        photographs(folder / "large", 420, 2048)
        table("cluster.yaml", folder / "digits", [], ["torch", "dali"])
        table("folder.yaml", folder / "photos", PHOTOS, ["dali", "torch"])
        table("gpu.yaml", folder / "photos", PHOTOS, ["dali"])
        print("the peak does not grow with the steps, and DALI's with the pixels", flush=True)
        pretraining("folder.yaml", folder / "photos", [*PHOTOS, *STEPS, "pretrain.epochs=10"], "dali")
        for loader in ("dali", "torch"):
            pretraining("folder.yaml", folder / "large", [*PHOTOS, *STEPS], loader)


def table(config: str, source: Path, changes: list[str], loaders: list[str]) -> None:
    """Print a line for each stage; of several loaders, all but the first run `pretrain` alone."""
    settings = [*changes, *STEPS, *ANY_PROCESSOR]
    print(f"{config}: {', '.join(settings)}", flush=True)
    peaks, needs = run(config, source, [*settings, f"pretrain.loader={loaders[0]}"])
    for task in [task for task in TASKS if task in peaks]:
        line(config, task, f"{task} ({loaders[0]})" if task == "pretrain" else task, peaks[task], needs.get(task))
    for loader in loaders[1:]:
        pretraining(config, source, settings, loader)


def pretraining(config: str, source: Path, changes: list[str], loader: str) -> None:
    """Print the line of `pretrain` alone."""
    peaks, needs = run(config, source, [*changes, *ANY_PROCESSOR, f"pretrain.loader={loader}"], only_pretrain=True)
    line(config, "pretrain", f"pretrain ({loader})", peaks["pretrain"], needs["pretrain"])


def line(config: str, task: str, called: str, peak: Peak, need: Need | None) -> None:
    """Print a stage's peak beside what its pod asks for, and beside what it needs as found beforehand; MiB."""
    wanted = size_bytes(getattr(load_config(CONFIGS / config).resources, task).memory)
    found = (
        f"; found beforehand: at least {need.sure >> 20:,}, about {need.likely >> 20:,} ({need.likely / peak.held:.0%})"
        if need
        else ""
    )
    print(
        f"  {called:18} {peak.held >> 20:7,} MiB, shm {peak.shm >> 20:,}, largest process {peak.largest >> 20:,}; asks "
        f"for {wanted >> 20:,}, takes {peak.held / wanted:.0%}{found}",
        flush=True,
    )


def photographs(folder: Path, count: int, side: int) -> None:
    """Patches of real photographs, as JPEG files of `side` x `side` pixels in class folders."""
    patches = natural.patches(72, 36)
    for number in range(count):
        place = folder / f"class-{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        patch = patches[number % len(patches)].resize((side, side), Image.Resampling.BICUBIC)
        (place / f"{number:05d}.jpg").write_bytes(natural.encoded(patch, "JPEG", quality=90))


def run(
    config: str, source: Path, changes: list[str], only_pretrain: bool = False
) -> tuple[dict[str, Peak], dict[str, Need]]:
    """Peaks by stage of a `gleaner run`, and what stages that train or embed find that they need."""
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder:
        overrides = [f"source={source}", f"store={folder}/store", "object_store=null", *changes]
        command = [sys.executable, "-m", "pipelines", "run", str(CONFIGS / config), *overrides, "--workdir", folder]
        log = Path(folder) / "log"
        with log.open("w") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        peaks: dict[str, Peak] = {}
        while process.poll() is None and not (only_pretrain and "sample" in peaks):
            for stage, processes in stages(process.pid):
                peaks[stage] = Peak(*map(max, peaks.get(stage, Peak(0, 0, 0)), memory(processes)))
            time.sleep(PERIOD)
        process.terminate()
        if process.wait() and not only_pretrain:
            raise RuntimeError(log.read_text()[-2000:])
        done = next((Path(folder) / "runs").iterdir())
        return peaks, {stage: estimate(done, stage) for stage in (STAGES[:1] if only_pretrain else STAGES)}


def stages(runner: int) -> Iterator[tuple[str, list[int]]]:
    """The stages that a `gleaner run` has under way, each with its processes."""
    for child in children(runner):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if len(command) > 2 and command[2].startswith("components."):
            yield command[2].rpartition(".")[2], [child, *descendants(child)]


def memory(processes: list[int]) -> Peak:
    """What a stage's processes hold now."""
    held = shm = largest = 0
    for process in processes:
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:  # it has ended
            continue
        shared = _bytes(rollup, "Pss_Shmem")
        held += _bytes(rollup, "Pss_Anon") + shared
        shm += shared
        largest = max(largest, _bytes(status, "VmHWM"))
    return Peak(held, shm, largest)


def _bytes(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
