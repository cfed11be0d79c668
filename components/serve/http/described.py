"""What OpenAPI says of the endpoints, beside what FastAPI finds out itself: bodies are read by hand, for speed."""

from typing import Any

Schema = dict[str, Any]


def _object(required: list[str], **properties: Schema) -> Schema:
    return {"type": "object", "required": required, "properties": properties}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _answer(description: str, schema: Schema) -> dict[int | str, Schema]:
    return {200: {"description": description, "content": {"application/json": {"schema": schema}}}}


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
YES: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
FILE: Schema = {"type": "string", "format": "binary"}
ERROR = _object(["error"], error=TEXT)
REFUSALS = {
    400: "The request is malformed",
    401: "The token is missing",
    404: "There is no such model or version",
    413: "The body is too large, or has too many images",
    415: "The file is not an image of a kind that is read",
    422: "The image is broken, or costs too much to decode",
    429: "Too many images wait; Retry-After says when to come again",
}


def _refusals(*codes: int) -> dict[int | str, Schema]:
    return {code: {"description": REFUSALS[code], "content": {"application/json": {"schema": ERROR}}} for code in codes}


ONE = _object(["class", "confidence"], **{"class": TEXT, "confidence": NUMBER})
PREDICTION = _object(
    ["name"],
    **{
        "name": TEXT,
        "class": TEXT,
        "confidence": NUMBER,
        "top": _list(ONE),
        "abstain": {"type": "boolean", "nullable": True, "description": "Whether a person should look"},
        "set": {**_list(TEXT), "nullable": True, "description": "Conformal set of classes"},
        "error": TEXT,
    },
)
PREDICT: Schema = {
    "parameters": [
        {"name": "top", "in": "query", "description": "Likeliest classes told", "schema": {**WHOLE, "default": 5}}
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _object([], image=_list(FILE))},
            "image/*": {"schema": FILE},
        },
    },
}
PREDICTED = {
    **_answer(
        "An answer for each image",
        _object(["model", "version", "predictions"], model=TEXT, version=TEXT, predictions=_list(PREDICTION)),
    ),
    **_refusals(400, 401, 413, 415, 422, 429),
}

PARAMETERS: Schema = {"type": "object"}
TENSOR = {"name": TEXT, "shape": _list(WHOLE), "datatype": TEXT, "parameters": PARAMETERS, "data": _list({})}
REQUEST = _object(
    ["inputs"],
    id=TEXT,
    parameters=PARAMETERS,
    inputs=_list(_object(["name", "shape", "datatype"], **TENSOR)),
    outputs=_list(_object(["name"], name=TEXT, parameters=PARAMETERS)),
)
INFER: Schema = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": REQUEST,
                "example": {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["iVBORw0KGg…"]}]},
            },
            "application/octet-stream": {"schema": FILE},
        },
    }
}
INFERRED = {
    **_answer(
        "The tensors that were asked for",
        _object(
            ["model_name", "outputs"],
            model_name=TEXT,
            model_version=TEXT,
            id=TEXT,
            outputs=_list(_object(["name", "shape", "datatype"], **TENSOR)),
        ),
    ),
    **_refusals(400, 401, 404, 413, 415, 422, 429),
}
METADATA = _object(["name", "shape", "datatype"], name=TEXT, datatype=TEXT, shape=_list(WHOLE))
SERVER = _answer("Server", _object(["name", "version", "extensions"], name=TEXT, version=TEXT, extensions=_list(TEXT)))
LIVE = _answer("It runs", _object(["live"], live=YES))
READY = {**_answer("It takes requests", _object(["ready"], ready=YES)), 503: {"description": "It does not"}}
MODEL = {
    **_answer(
        "Model",
        _object(
            ["name", "platform"],
            name=TEXT,
            versions=_list(TEXT),
            platform=TEXT,
            inputs=_list(METADATA),
            outputs=_list(METADATA),
            parameters=PARAMETERS,
        ),
    ),
    **_refusals(401, 404),
}
MODEL_READY = {
    **_answer("It takes requests", _object(["name", "ready"], name=TEXT, ready=YES)),
    503: {"description": "It does not"},
    **_refusals(401, 404),
}
