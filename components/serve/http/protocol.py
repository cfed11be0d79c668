"""Requests and answers of the open inference protocol (KServe's v2) over HTTP, with its binary tensor extension.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
An input is `pixels`, UINT8 (images, channels, side, side), or `image`, BYTES (images): files, as base64 in JSON, since
JSON holds no bytes, and as they are in binary.
"""

import base64
import binascii
import json
import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from components.releases.model import Answers, ReleasedModel
from components.serve.engine.errors import RefusedError

DATATYPES = {"class": "BYTES", "confidence": "FP32", "probabilities": "FP32", "abstain": "BOOL", "set": "BOOL"}
ON_REQUEST = {"embedding": "FP32"}
JSON_LENGTH = "inference-header-content-length"
BINARY = "application/octet-stream"
LENGTH = struct.Struct("<I")  # before each element of a BYTES tensor


class Question(NamedTuple):
    """An inference request."""

    id: str | None
    images: list[bytes]  # files; empty where pixels came
    pixels: np.ndarray | None
    outputs: dict[str, bool]  # names that are wanted, and whether as binary data


def question_of(body: bytes, json_length: str | None, release: ReleasedModel, most: int) -> Question:
    """Read a request of at most `most` images; RefusedError says what is wrong with it, and where."""
    text, rest = _cut(body, json_length)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise RefusedError("the body is not JSON; expected an inference request", 400) from None
    if not isinstance(said, dict) or not isinstance(said.get("inputs"), list):
        raise RefusedError("expected a JSON object with a list of `inputs`", 400)
    if len(said["inputs"]) != 1 or not isinstance(said["inputs"][0], dict):
        raise RefusedError("expected one input: `pixels` (UINT8) or `image` (BYTES)", 400)
    request_id = said.get("id")
    if request_id is not None and not isinstance(request_id, str):
        raise RefusedError("id: expected a string", 400)
    tensor = said["inputs"][0]
    shape = _shape(tensor)
    if shape and shape[0] > most:
        raise RefusedError(f"{shape[0]} images in one request; at most {most} are taken", 413)
    kind = (tensor.get("name"), tensor.get("datatype"))
    outputs = _outputs(said)
    if kind == ("image", "BYTES"):
        return Question(request_id, _files(tensor, shape, rest), None, outputs)
    if kind == ("pixels", "UINT8"):
        return Question(request_id, [], _pixels(tensor, shape, rest, release), outputs)
    raise RefusedError(f"input {kind[0]!r} of {kind[1]!r}: expected `pixels` of UINT8, or `image` of BYTES", 400)


def answer_of(question: Question, name: str, release: ReleasedModel, answers: Answers) -> tuple[bytes, dict[str, str]]:
    """The body of the response and its headers."""
    values = _values(release, answers, question.outputs)
    outputs: list[dict[str, Any]] = []
    tail = b""
    for output, is_binary in question.outputs.items():
        datatype, value = values[output]
        told: dict[str, Any] = {"name": output, "datatype": datatype, "shape": list(value.shape)}
        if is_binary:
            data = _packed(value, datatype)
            told["parameters"] = {"binary_data_size": len(data)}
            tail += data
        else:
            told["data"] = value.ravel().tolist()
        outputs.append(told)
    response: dict[str, Any] = {"model_name": name, "model_version": release.version, "outputs": outputs}
    if question.id is not None:
        response["id"] = question.id
    text = json.dumps(response, ensure_ascii=False).encode()
    if not any(question.outputs.values()):
        return text, {"content-type": "application/json"}
    return text + tail, {"content-type": BINARY, JSON_LENGTH: str(len(text))}


def metadata_of(name: str, release: ReleasedModel) -> dict[str, Any]:
    """What the model reads and answers; the order of its classes stands in `parameters`."""
    how, classes, features = release.preprocessing, len(release.classes), -1
    sizes = {"probabilities": [-1, classes], "set": [-1, classes], "embedding": [-1, features]}
    return {
        "name": name,
        "versions": [release.version],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": "pixels", "datatype": "UINT8", "shape": [-1, len(how.mode), how.image_size, how.image_size]},
            {"name": "image", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": output, "datatype": datatype, "shape": sizes.get(output, [-1])}
            for output, datatype in {**DATATYPES, **ON_REQUEST}.items()
        ],
        "parameters": {"classes": release.classes, "image_content": "base64", "on_request": [*ON_REQUEST]},
    }


def _cut(body: bytes, json_length: str | None) -> tuple[bytes, bytes]:
    """The JSON and the binary data behind it."""
    if json_length is None:
        return body, b""
    if not json_length.isdecimal() or int(json_length[:12]) > len(body):
        raise RefusedError(f"{JSON_LENGTH}: expected the bytes of the JSON, at most those of the body", 400)
    size = int(json_length[:12])
    return body[:size], body[size:]


def _shape(tensor: dict[str, Any]) -> list[int]:
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(each) is int and 0 < each < 1 << 31 for each in shape):
        raise RefusedError("shape: expected a list of positive integers", 400)
    return shape


def _outputs(said: dict[str, Any]) -> dict[str, bool]:
    """Names of the wanted outputs, and whether each is wanted as binary data."""
    every = bool(_parameters(said).get("binary_data_output", False))
    wanted = said.get("outputs")
    if not wanted:
        return dict.fromkeys(DATATYPES, every)
    names: dict[str, bool] = {}
    for each in wanted if isinstance(wanted, list) else [wanted]:
        name = each.get("name") if isinstance(each, dict) else None
        if not isinstance(name, str) or name not in {**DATATYPES, **ON_REQUEST}:
            raise RefusedError(f"output {name!r}: expected some of {[*DATATYPES, *ON_REQUEST]}", 400)
        names[name] = bool(_parameters(each).get("binary_data", every))
    return names


def _parameters(said: dict[str, Any]) -> dict[str, Any]:
    found = said.get("parameters") or {}
    if not isinstance(found, dict):
        raise RefusedError("parameters: expected an object", 400)
    return found


def _binary(tensor: dict[str, Any], rest: bytes) -> bytes | None:
    """Binary data of the tensor; None where its data stand in the JSON."""
    size = _parameters(tensor).get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size != len(rest):
        raise RefusedError(f"binary_data_size: {size!r}, but {len(rest)} bytes follow the JSON", 400)
    return rest


def _files(tensor: dict[str, Any], shape: list[int], rest: bytes) -> list[bytes]:
    binary = _binary(tensor, rest)
    data = _elements(binary) if binary is not None else tensor.get("data")
    if not isinstance(data, list) or len(shape) not in (1, 2) or math.prod(shape) != len(data):
        raise RefusedError("image: expected a shape [images], and as many files in `data`", 400)
    return data if binary is not None else [_decoded(each) for each in data]


def _elements(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        if at + LENGTH.size > len(data):
            break
        (size,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size
        found.append(data[at : at + size])
        at += size
    if at != len(data):
        raise RefusedError("image: binary data whose lengths do not add up to its size", 400)
    return found


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise RefusedError("image: expected files as base64 strings; plain bytes go in binary data", 400) from None


def _pixels(tensor: dict[str, Any], shape: list[int], rest: bytes, release: ReleasedModel) -> np.ndarray:
    how = release.preprocessing
    expected = [len(how.mode), how.image_size, how.image_size]
    if len(shape) != 4 or shape[1:] != expected:
        raise RefusedError(f"pixels of shape {shape}: expected [images, {', '.join(map(str, expected))}]", 400)
    binary = _binary(tensor, rest)
    if binary is not None:
        if len(binary) != math.prod(shape):
            raise RefusedError(f"pixels: {len(binary)} bytes for a shape of {math.prod(shape)}", 400)
        return np.frombuffer(binary, np.uint8).reshape(shape)
    try:
        values = np.asarray(tensor.get("data"))
    except (ValueError, OverflowError, RecursionError):
        values = np.empty(0)
    if values.size != math.prod(shape) or values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 255:
        raise RefusedError(f"pixels: expected {math.prod(shape)} whole numbers from 0 to 255 in `data`", 400)
    return values.astype(np.uint8).reshape(shape)


def _values(release: ReleasedModel, answers: Answers, names: Sequence[str] | dict[str, bool]) -> dict[str, Any]:
    """Datatype and value of every output that is wanted. Where calibration had too few labels for a threshold, nobody
    abstains, and every class is in the set.
    """
    told = release.told(answers)
    found: dict[str, tuple[str, np.ndarray]] = {}
    for name in names:
        match name:
            case "class":
                value = np.array([each["class"] for each in told], object)
            case "confidence":
                value = np.array([each["confidence"] for each in told], np.float32)
            case "probabilities":
                value = answers.probabilities.astype(np.float32)
            case "abstain":
                value = np.array([bool(each["abstain"]) for each in told])
            case "set":
                inside = [release.classes if each["set"] is None else each["set"] for each in told]
                value = np.array([[each in classes for each in release.classes] for classes in inside])
            case _:
                value = answers.embeddings.astype(np.float32)
        found[name] = ({**DATATYPES, **ON_REQUEST}[name], value)
    return found


def _packed(value: np.ndarray, datatype: str) -> bytes:
    if datatype != "BYTES":
        return value.astype(value.dtype.newbyteorder("<")).tobytes()
    texts = [each.encode() for each in value.ravel()]
    return b"".join(LENGTH.pack(len(text)) + text for text in texts)
