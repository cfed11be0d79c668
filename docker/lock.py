"""Write docker/locks/ anew from pyproject.toml: every package of every layer of the images, by version and sha256.

Needs uv (in the development extras). The CPU wheels of torch are not on PyPI: UV_FIND_LINKS or UV_INDEX says where they
are.
"""

import os
import re
import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "docker" / "locks"
PYTHON = "3.11"  # that of the base image
EXTRAS = {  # a later layer takes what earlier ones have, and agrees with them
    "common": (["heic"], []),
    "data": (["label", "monitor", "publish"], ["common"]),
    "train": (["learn", "many", "dali"], ["common", "data"]),
    "torch-cuda": (["torch"], ["common", "data", "train"]),
    "torch-cpu": (["torch"], ["common", "data", "train"]),
    "serve": (["serve"], ["common", "data", "train"]),
    "report": (["learn", "report"], ["common", "data", "train", "torch-cuda", "serve"]),
}


def lock(name: str, source: str, flags: list[str], where: dict[str, str]) -> None:
    uv = Path(sysconfig.get_path("scripts")) / "uv"
    environment = {key: value for key, value in os.environ.items() if key not in ("UV_FIND_LINKS", "UV_INDEX")} | where
    subprocess.run(
        [
            uv,
            "pip",
            "compile",
            source,
            "--universal",
            "--python-version",
            PYTHON,
            "--generate-hashes",
            "--no-header",
            "--no-annotate",
            "--quiet",
            "--upgrade",
            *flags,
            "--output-file",
            LOCKS / f"{name}.txt",
        ],
        check=True,
        cwd=ROOT,
        env=environment,
        input=b"setuptools>=77\n",
    )


def named(layer: str) -> dict[str, str]:
    """Versions by package of a lock that is written."""
    text = (LOCKS / f"{layer}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==([^ ;]+)", text, re.MULTILINE))


def main() -> None:
    lock("build", "-", [], {})
    for name, (extras, below) in EXTRAS.items():
        flags = [word for extra in extras for word in ("--extra", extra)]
        flags += [word for layer in below for word in ("--constraint", f"docker/locks/{layer}.txt")]
        where = {}
        if "torch-cuda" in below:  # captum asks for torch, which is a layer of its own, with CUDA or without
            there = sorted(named("torch-cuda").keys() - named("common").keys())
            flags += [word for each in there for word in ("--no-emit-package", each)]
        if name == "torch-cpu":
            where = {key: os.environ[key] for key in ("UV_FIND_LINKS", "UV_INDEX") if key in os.environ}
            flags += ["--upgrade-package", f"torch=={named('torch-cuda')['torch']}+cpu"]
        lock(name, "pyproject.toml", flags, where)
        print(f"docker/locks/{name}.txt")


if __name__ == "__main__":
    main()
