"""The ONNX files of an evaluation, as a release may ship them: those that were measured, and answer as the model."""

from pathlib import Path
from typing import Any

from components.common.errors import BadInputError
from components.common.files import sha256_bytes
from components.releases.model import INT8, MODEL


def refusal(onnx: dict[str, Any]) -> str:
    """Why an exported model must not be released, one sentence; empty where it answers as the classifier does.

    onnx: `onnx` of metrics.json.
    """
    found, allowed = onnx["max_difference"], onnx["tolerance"]
    if found is not None and found <= allowed:
        return ""
    differs = "by more than any number" if found is None else f"by {found:.2g}"
    return (
        f"the ONNX export differs from the classifier {differs} on {onnx['images']} images, and {allowed} is allowed; "
        "run evaluate again, or with another version of onnxruntime"
    )


def measured_files(evaluation: Path, onnx: dict[str, Any]) -> dict[str, bytes]:
    """The ONNX files of an evaluation by name, the very ones that its metrics.json speaks of.

    Raises BadInputError where one is missing or was changed since.
    """
    expected = {MODEL: onnx["sha256"]}
    if onnx["int8"] and onnx["int8"]["released"]:
        expected[INT8] = onnx["int8"]["sha256"]
    files = {}
    for name, digest in expected.items():
        path = evaluation / name
        files[name] = path.read_bytes() if path.is_file() else b""
        if (found := sha256_bytes(files[name])) != digest:
            told = f"its sha256 is {found[:12]}" if path.is_file() else "not there"
            raise BadInputError(f"{path}: {told}, but {digest[:12]} was measured; run evaluate again")
    return files
