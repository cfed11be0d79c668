"""What the server says: over HTTP, to uploads and to the open inference protocol, the same as the model itself."""

import base64
import json
import struct
import time
from typing import Any

import numpy as np
import pytest

from components.releases.model import Answers, ReleasedModel
from tests.serve.running import Running


def directly(released: ReleasedModel, pictures: list[bytes]) -> Answers:
    return released.run(np.stack([released.preprocessing.pixels(each) for each in pictures]))


def infer(server: Running, released: ReleasedModel, request: dict[str, Any]) -> dict[str, Any]:
    response = server.client.post("/v2/models/digits/infer", json=request)
    assert response.status_code == 200, response.text
    told = response.json()
    assert (told["model_name"], told["model_version"]) == ("digits", released.version)
    return {each["name"]: np.array(each["data"]).reshape(each["shape"]) for each in told["outputs"]}


def files(pictures: list[bytes]) -> dict[str, Any]:
    data = [base64.b64encode(each).decode() for each in pictures]
    return {"name": "image", "datatype": "BYTES", "shape": [len(data)], "data": data}


def test_an_upload_is_answered_as_the_model_answers(
    server: Running, released: ReleasedModel, pictures: list[bytes]
) -> None:
    told = server.predict(*pictures[:20], top=3).json()
    assert (told["model"], told["version"]) == ("digits", released.version)
    expected = released.told(directly(released, pictures[:20]), 3)
    for number, (answer, each) in enumerate(zip(told["predictions"], expected, strict=True)):
        assert answer["name"] == f"{number}.png"
        assert (answer["class"], answer["abstain"], answer["set"]) == (each["class"], each["abstain"], each["set"])
        assert [one["class"] for one in answer["top"]] == [one["class"] for one in each["top"]]
        assert answer["confidence"] == pytest.approx(each["confidence"], abs=1e-5)


def test_an_image_may_be_the_body(server: Running, pictures: list[bytes]) -> None:
    for kind in ("image/png", "application/octet-stream"):
        response = server.client.post("/predict", content=pictures[0], headers={"content-type": kind})
        assert response.json()["predictions"] == [{**server.predict(pictures[0]).json()["predictions"][0], "name": ""}]


def test_an_unreadable_image_among_others_costs_only_itself(server: Running, pictures: list[bytes]) -> None:
    response = server.predict(pictures[0], pictures[1][:60], pictures[1])
    assert response.status_code == 200
    first, broken, last = response.json()["predictions"]
    assert broken == {"name": "1.png", "error": "truncated"}
    assert [first["class"], last["class"]] == [
        server.predict(each).json()["predictions"][0]["class"] for each in pictures[:2]
    ]


def test_files_and_pixels_are_inferred_alike(server: Running, released: ReleasedModel, pictures: list[bytes]) -> None:
    some = pictures[:5]
    answers = directly(released, some)
    pixels = np.stack([released.preprocessing.pixels(each) for each in some])
    wanted = [{"name": name} for name in ("class", "probabilities", "embedding", "set", "abstain", "confidence")]
    asked: list[dict[str, Any]] = [
        files(some),
        {"name": "pixels", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.tolist()},
        {"name": "pixels", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.ravel().tolist()},
    ]
    told = released.told(answers)
    for tensor in asked:
        found = infer(server, released, {"inputs": [tensor], "outputs": wanted})
        assert found["class"].tolist() == [each["class"] for each in told]
        assert found["abstain"].tolist() == [each["abstain"] for each in told]
        assert np.abs(found["probabilities"] - answers.probabilities).max() < 1e-5
        assert np.abs(found["embedding"] - answers.embeddings).max() < 1e-5
        assert np.abs(found["confidence"] - answers.probabilities.max(axis=1)).max() < 1e-5
        sets = [[c for c, inside in zip(released.classes, row, strict=True) if inside] for row in found["set"]]
        assert [sorted(each) for each in sets] == [sorted(each["set"]) for each in told]
    assert set(infer(server, released, {"inputs": [asked[0]]})) == {
        "class",
        "confidence",
        "probabilities",
        "abstain",
        "set",
    }


def test_the_request_id_comes_back(server: Running, pictures: list[bytes]) -> None:
    told = server.client.post("/v2/models/digits/infer", json={"id": "42", "inputs": [files(pictures[:1])]}).json()
    assert told["id"] == "42"


def test_tensors_travel_as_binary_data(server: Running, released: ReleasedModel, pictures: list[bytes]) -> None:
    some = pictures[:3]
    answers = directly(released, some)
    pixels = np.stack([released.preprocessing.pixels(each) for each in some])
    elements = b"".join(struct.pack("<I", len(each)) + each for each in some)
    for tensor, data in (
        ({"name": "pixels", "datatype": "UINT8", "shape": list(pixels.shape)}, pixels.tobytes()),
        ({"name": "image", "datatype": "BYTES", "shape": [3]}, elements),
    ):
        request = {
            "inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}],
            "outputs": [
                {"name": "probabilities"},
                {"name": "class"},
                {"name": "confidence", "parameters": {"binary_data": False}},
            ],
            "parameters": {"binary_data_output": True},
        }
        head = json.dumps(request).encode()
        response = server.client.post(
            "/v2/models/digits/infer",
            content=head + data,
            headers={
                "content-type": "application/octet-stream",
                "inference-header-content-length": str(len(head)),
            },
        )
        assert response.status_code == 200, response.text
        size = int(response.headers["inference-header-content-length"])
        probabilities, classes, confidence = json.loads(response.content[:size])["outputs"]
        tail = response.content[size:]
        cut = probabilities["parameters"]["binary_data_size"]
        found = np.frombuffer(tail[:cut], "<f4").reshape(probabilities["shape"])
        assert np.abs(found - answers.probabilities).max() < 1e-5
        assert len(tail) == cut + classes["parameters"]["binary_data_size"]
        names, at = [], cut
        while at < len(tail):
            (length,) = struct.unpack_from("<I", tail, at)
            names.append(tail[at + 4 : at + 4 + length].decode())
            at += 4 + length
        assert names == [each["class"] for each in released.told(answers)]
        assert confidence["data"] == pytest.approx(answers.probabilities.max(axis=1), abs=1e-5)


def test_server_and_model_describe_themselves_as_the_protocol_says(server: Running, released: ReleasedModel) -> None:
    get = server.client.get
    assert set(get("/v2").json()) == set(get("/v2/").json()) == {"name", "version", "extensions"}
    assert get("/v2/health/live").json() == {"live": True}
    assert get("/v2/health/ready").json() == {"ready": True}
    versioned = f"/v2/models/digits/versions/{released.version}"
    about = get("/v2/models/digits").json()
    assert about == get(versioned).json()
    assert {"name", "versions", "platform", "inputs", "outputs"} <= set(about)
    for tensor in about["inputs"] + about["outputs"]:
        assert set(tensor) == {"name", "datatype", "shape"}
        assert all(type(each) is int for each in tensor["shape"])
    assert about["parameters"]["classes"] == released.classes
    assert (
        get("/v2/models/digits/ready").json() == get(f"{versioned}/ready").json() == {"name": "digits", "ready": True}
    )


def test_openapi_names_every_endpoint_of_the_protocol(server: Running) -> None:
    paths = server.client.get("/openapi.json").json()["paths"]
    model = "/v2/models/{name}"
    both = [model + more for more in ("", "/ready", "/infer")]
    both += [f"{model}/versions/{{version}}{more}" for more in ("", "/ready", "/infer")]
    assert {"/predict", "/v2", "/v2/health/live", "/v2/health/ready", *both} == set(paths)
    infer = paths[model + "/infer"]["post"]
    assert "application/json" in infer["requestBody"]["content"]
    assert {"200", "400", "404", "413", "422", "429"} <= set(infer["responses"])


def test_metrics_tell_requests_batches_and_the_release(
    server: Running, released: ReleasedModel, pictures: list[bytes]
) -> None:
    before = server.metric("gleaner_requests_total", endpoint="/predict", code="200")
    answered = server.metric("gleaner_images_total")
    assert server.predict(*pictures[:7]).status_code == 200
    assert server.metric("gleaner_requests_total", endpoint="/predict", code="200") == before + 1
    assert server.metric("gleaner_images_total") == answered + 7
    assert server.metric("gleaner_release", model="digits", version=released.version) == 1
    assert server.metric("gleaner_batch_images_sum") >= 7
    assert server.metric("gleaner_request_seconds_count", endpoint="/predict") >= before + 1
    assert server.metric("gleaner_queue_images") == 0
    assert server.metric("gleaner_queue_bytes") == 0
    assert server.metric("process_resident_memory_bytes") > 0


def test_each_request_is_a_line_of_the_log_without_secrets(server: Running, pictures: list[bytes]) -> None:
    headers = {"x-request-id": "abc-7", "authorization": "Bearer hush-hush", "cookie": "hush-hush"}
    server.client.post("/predict?note=hush-hush", files={"image": pictures[0]}, headers=headers)
    end = time.monotonic() + 10
    while not (found := [each for each in server.lines if each.get("id") == "abc-7"]):
        assert time.monotonic() < end
        time.sleep(0.02)
    line = found[0]
    assert {"time", "event", "method", "path", "code", "ms", "client", "images", "bytes", "version"} <= set(line)
    assert (line["path"], line["code"], line["images"]) == ("/predict", 200, 1)
    assert "hush" not in json.dumps(server.lines)
