"""The digest of this code, recorded with what it makes."""

from pathlib import Path

from components.common.files import sha256_file, sha256_json

ROOT = Path(__file__).parents[1]
SOURCES = (".py", ".ipynb")


def code_digest(root: Path = ROOT) -> str:
    """sha256 of the relative names and contents of the stages' sources; equal wherever they are installed."""
    files = sorted(
        path for path in root.rglob("*") if path.suffix in SOURCES and ".ipynb_checkpoints" not in path.parts
    )
    return sha256_json({path.relative_to(root).as_posix(): sha256_file(path) for path in files})
