"""Name a version of the compiled pipeline by the digest of its content, and its pipeline by its configuration.

Each configuration has a pipeline of its own in Kubeflow, since the UI offers the newest version of a pipeline first.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

import yaml

from components.common.errors import BadInputError
from components.common.kubeflow import LATEST

PIPELINE = "gleaner-training"
MONITORING = "gleaner-monitoring"
OTHERS = {"batch": "gleaner-batch", "monitoring": MONITORING}
"""Pipelines that no run configuration makes, by the names of their compiled files."""
COMMITTED = "committed"
WANTED = rf"^({COMMITTED}|{LATEST}|({PIPELINE}(-[a-z0-9-]+)?|{MONITORING})-[0-9a-f]{{12}})$"
"""What a run or a schedule may ask for."""
COMPILED = Path(__file__).parents[1] / "compiled" / "training.yaml"
"""The plain version, that of PLAIN."""
MONITORED = COMPILED.with_name("monitoring.yaml")
"""The watch over a released model."""
PLAIN = "cluster"
"""The configuration, of pipelines/configs, whose pipeline has the plain name."""


Version = tuple[str, Path]
"""What is wanted, and the compiled file of this commit that it is about."""


def pipeline_name(stem: str) -> str:
    """The pipeline of a configuration, by its file's name without the ending."""
    return PIPELINE if stem in (PLAIN, COMPILED.stem) else f"{PIPELINE}-{stem}"


def pipeline_in(compiled: Path) -> str:
    """The pipeline that a compiled file is a version of."""
    return OTHERS.get(compiled.stem) or pipeline_name(compiled.stem)


def version_name(compiled: Path = COMPILED) -> str:
    """The pipeline's name and the first 12 hex digits of the sha256 of the compiled pipeline's bytes."""
    return content_name(pipeline_in(compiled), compiled.read_bytes())


def content_name(pipeline: str, compiled: bytes) -> str:
    """The same, of one that is not written yet."""
    return f"{pipeline}-{hashlib.sha256(compiled).hexdigest()[:12]}"


def parse(compiled: str) -> list[dict[str, Any]]:
    """A compiled pipeline, and what only Kubernetes knows of it."""
    return list(yaml.load_all(compiled, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # the C loader is 8x faster


def shown_name(compiled: dict[str, Any], name: str) -> str:
    """What people see of the version `name` of a compiled pipeline (the parsed IR): what it is for, and its digest."""
    return f"{compiled['pipelineInfo']['displayName']} ({name.rpartition('-')[2]})"


def check_version(wanted: str, compiled: Path = COMPILED) -> None:
    """BadInputError for what names no version of the pipeline that a compiled file belongs to."""
    if not re.match(WANTED, wanted) or is_watch(wanted) == (compiled.stem not in OTHERS):
        raise BadInputError(
            f"pipeline version: got {wanted!r}, expected {COMMITTED}, {LATEST} or a name such as "
            f"{version_name(compiled)}"
        )


def is_watch(wanted: str) -> bool | None:
    """Whether a wanted version is one of the watch over a released model; None where the word does not say."""
    return None if wanted in (COMMITTED, LATEST) else wanted.startswith(f"{MONITORING}-")


def named(wanted: str, compiled: Path = COMPILED) -> str:
    """`committed` as the name of the version that is compiled here; other words as they are."""
    return version_name(compiled) if wanted == COMMITTED else wanted


def pipeline_of(wanted: str, compiled: Path = COMPILED) -> str:
    """The pipeline that a wanted version belongs to: it stands in its name, or follows from the compiled file."""
    return pipeline_in(compiled) if wanted in (COMMITTED, LATEST) else wanted.rpartition("-")[0]
