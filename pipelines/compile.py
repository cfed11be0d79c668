"""`gleaner compile`: the DAG as golden IR, reviewed in diffs, and as a picture for the README."""

import re
import tempfile
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler

from components.common.files import write_text
from pipelines.picture import picture
from pipelines.training import training

FOLDER = Path(__file__).parent / "compiled"


def compile_training() -> str:
    """The compiled training pipeline as YAML; equal for every patch release of kfp."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.yaml"
        compiler.Compiler().compile(training, str(path))
        return re.sub(r"(?m)^sdkVersion: kfp-(\d+\.\d+)\..*$", r"sdkVersion: kfp-\1.0", path.read_text(encoding="utf-8"))


def generated() -> dict[Path, str]:
    """Every file that `gleaner compile` writes, with its text."""
    from pipelines.config import schema
    from pipelines.schedules_file import schema as schedules_schema

    ir = compile_training()
    return {
        FOLDER / "training.yaml": ir,
        FOLDER / "training.svg": picture(parse(ir)),
        FOLDER.parent / "configs" / "schema.json": schema(),
        FOLDER.parent / "configs" / "schedules.schema.json": schedules_schema(),
    }


def write() -> list[Path]:
    """Refresh the generated files; returns their paths."""
    files = generated()
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def parse(ir: str) -> dict[str, Any]:
    return yaml.load(ir, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders; the C one is 8x faster
