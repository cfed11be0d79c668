"""Peak memory of each stage at the settings of the configurations, beside what their pods ask for.

What a pod is killed for is memory that cannot be given back: anonymous memory and /dev/shm, of all processes of the
stage together, each shared page counted once. It is sampled, every 50 ms (Pss_Anon and Pss_Shmem of smaps_rollup); the
kernel's own record of the largest process (VmHWM) stands beside it, with the files that this process had mapped.

Sizes are those of the configuration. Images, epochs and steps are cut, since the second step takes as much as the last:
by then gradients, the optimizer's state and the loader's batches are there. That is checked by more steps and images.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from components.ingest.example import write_example
from pipelines.configuration.config import load_config
from pipelines.configuration.resources import TASKS, size_bytes
from tests import natural
from tests.processes import children, descendants

CONFIGS = Path(__file__).parents[2] / "pipelines" / "configs"
PERIOD = 0.05  # seconds between two samples
CLASSES = 3
STEPS = ["pretrain.epochs=2", "warmup.steps=3", "pseudolabel.steps=3"]
ANY_PROCESSOR = [f"{stage}.precision=float32" for stage in ("pretrain", "warmup", "pseudolabel")]  # bfloat16 takes less
PHOTOS = ["pretrain.init=random", "ingest.labels=folders", "sample.label_access=oracle"]  # as many weights, and answers


class Peak(NamedTuple):
    held: int  # bytes that cannot be given back, all processes together
    shm: int  # of these, shared memory
    largest: int  # resident bytes of the largest process, mapped files included


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as name:
        folder = Path(name)
        write_example("mnist", folder / "digits")
        photographs(folder / "photos", 420, 1024)
        table("cluster.yaml", folder / "digits", [], ["torch"])
        table("folder.yaml", folder / "photos", PHOTOS, ["dali", "torch"])
        table("gpu.yaml", folder / "photos", PHOTOS, ["dali", "torch"])


def table(config: str, source: Path, changes: list[str], loaders: list[str], steps: list[str] = STEPS) -> None:
    """Print a line for each stage; of several loaders, all but the first run `pretrain` alone."""
    asked = load_config(CONFIGS / config).resources
    print(f"{config}: {', '.join([*changes, *steps, *ANY_PROCESSOR])}", flush=True)
    for loader in loaders:
        peaks = run(
            config, source, [*changes, *steps, *ANY_PROCESSOR, f"pretrain.loader={loader}"], loader != loaders[0]
        )
        for task in [task for task in TASKS if task in peaks]:
            peak = peaks[task]
            wanted = size_bytes(getattr(asked, task).memory)
            print(
                f"  {task + (f' ({loader})' if task == 'pretrain' else ''):18} {peak.held / 2**20:7,.0f} MiB, shm "
                f"{peak.shm / 2**20:4,.0f}, largest process {peak.largest / 2**20:7,.0f}; asks for "
                f"{wanted / 2**20:7,.0f}, {peak.held / wanted:4.0%}",
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


def run(config: str, source: Path, changes: list[str], only_pretrain: bool = False) -> dict[str, Peak]:
    """Peaks by stage of a `gleaner run`."""
    with tempfile.TemporaryDirectory(prefix="gleaner-bench-") as folder:
        overrides = [f"source={source}", f"store={folder}/store", "object_store=null", *changes]
        command = [sys.executable, "-m", "pipelines", "run", str(CONFIGS / config), *overrides, "--workdir", folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        peaks: dict[str, Peak] = {}
        while process.poll() is None:
            for stage, processes in stages(process.pid):
                peaks[stage] = Peak(*map(max, peaks.get(stage, Peak(0, 0, 0)), memory(processes)))
            if only_pretrain and "sample" in peaks:
                process.terminate()
                process.wait()
                return {"pretrain": peaks["pretrain"]}
            time.sleep(PERIOD)
        if process.returncode:
            raise RuntimeError((process.stdout.read() if process.stdout else "")[-2000:])
        return peaks


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


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
