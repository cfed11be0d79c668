"""The digest of this code and the images that it runs in, recorded with what it makes."""

import json
import os
from pathlib import Path

from components.common.files import sha256_file, sha256_json

ROOT = Path(__file__).parents[1]
SOURCES = (".py", ".ipynb")
IMAGES = "GLEANER_IMAGES"  # environment variable, which the compiled pipeline sets


def code_digest(root: Path = ROOT) -> str:
    """sha256 of the relative names and contents of the stages' sources; equal wherever they are installed."""
    files = sorted(
        path for path in root.rglob("*") if path.suffix in SOURCES and ".ipynb_checkpoints" not in path.parts
    )
    return sha256_json({path.relative_to(root).as_posix(): sha256_file(path) for path in files})


def images() -> dict[str, str]:
    """References of the images that the pods of a run are of, by role; none where no pod runs."""
    return json.loads(os.environ.get(IMAGES, "{}"))
