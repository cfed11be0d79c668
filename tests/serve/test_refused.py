"""Whatever a client does wrong is told in one line of JSON, with the right status, and costs nobody else anything."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.ingest.reading.test_pool import picture
from tests.serve.running import Running, running

PIXELS: dict[str, Any] = {"name": "pixels", "datatype": "UINT8", "shape": [1, 1, 8, 8], "data": [0] * 64}
TOKEN = "0123456789abcdef-token"


def refused(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    told = response.json()["error"]
    assert told
    assert "\n" not in told
    assert "Traceback" not in response.text
    return told


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "`inputs`"),
        ({"inputs": []}, "one input"),
        ({"inputs": [PIXELS, PIXELS]}, "one input"),
        ({"inputs": [7]}, "one input"),
        ({"inputs": [{**PIXELS, "name": "other"}]}, "expected `pixels`"),
        ({"inputs": [{**PIXELS, "datatype": "FP32"}]}, "expected `pixels`"),
        ({"inputs": [{**PIXELS, "shape": [1, 3, 8, 8]}]}, "expected [images, 1, 8, 8]"),
        ({"inputs": [{**PIXELS, "shape": [1, 1, 8, -8]}]}, "positive integers"),
        ({"inputs": [{**PIXELS, "shape": "8"}]}, "positive integers"),
        ({"inputs": [{**PIXELS, "data": [0] * 63}]}, "64 whole numbers"),
        ({"inputs": [{**PIXELS, "data": [256] * 64}]}, "64 whole numbers"),
        ({"inputs": [{**PIXELS, "data": [-1] * 64}]}, "64 whole numbers"),
        ({"inputs": [{**PIXELS, "data": [0.5] * 64}]}, "64 whole numbers"),
        ({"inputs": [{**PIXELS, "data": ["0"] * 64}]}, "64 whole numbers"),
        ({"inputs": [{**PIXELS, "data": [10**40] * 64}]}, "64 whole numbers"),
        ({"inputs": [{**PIXELS, "data": [[0], [0, 1]]}]}, "64 whole numbers"),
        ({"inputs": [{**PIXELS, "data": None}]}, "64 whole numbers"),
        ({"inputs": [{**PIXELS, "parameters": {"binary_data_size": 64}}]}, "0 bytes follow"),
        ({"inputs": [{**PIXELS, "parameters": 7}]}, "expected an object"),
        ({"inputs": [PIXELS], "id": 7}, "id: expected a string"),
        ({"inputs": [PIXELS], "outputs": [{"name": "logits"}]}, "expected some of"),
        ({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": ["?"]}]}, "base64"),
        ({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [7]}]}, "base64"),
        ({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [2], "data": ["aa=="]}]}, "as many files"),
    ],
)
def test_a_malformed_inference_request_is_400(server: Running, request_: Any, says: str) -> None:
    body = request_ if isinstance(request_, bytes) else json.dumps(request_).encode()
    assert says in refused(server.client.post("/v2/models/digits/infer", content=body), 400)


@pytest.mark.parametrize(("length", "body"), [("x", b"{}"), ("3", b"{}"), ("9" * 400, b"{}")])
def test_a_wrong_length_of_the_json_is_400(server: Running, length: str, body: bytes) -> None:
    headers = {"inference-header-content-length": length}
    assert "bytes of the JSON" in refused(
        server.client.post("/v2/models/digits/infer", content=body, headers=headers), 400
    )


def test_what_is_not_there_is_404_and_another_verb_405(server: Running) -> None:
    client = server.client
    assert "'cats'" in refused(client.post("/v2/models/cats/infer", json={}), 404)
    assert "'1'" in refused(client.get("/v2/models/digits/versions/1"), 404)
    assert "'1'" in refused(client.get("/v2/models/digits/versions/1/ready"), 404)
    assert "/docs" in refused(client.get("/nothing"), 404)
    assert "/docs" in refused(client.get("/page/../../command.py"), 404)
    refused(client.get("/page/index.htm"), 404)
    refused(client.get("/predict"), 405)


def test_a_body_that_is_no_image_is_415_and_a_broken_one_422(server: Running) -> None:
    assert "multipart" in refused(server.client.post("/predict", json={}), 415)
    assert "multipart" in refused(server.client.post("/predict", content=b"x", headers={"content-type": ""}), 415)
    assert "not a JPEG" in refused(server.predict(b"no image"), 415)
    assert "SVG" in refused(server.predict(b"<svg></svg>"), 415)
    assert refused(server.predict(b""), 422) == "empty file"
    assert refused(server.predict(picture(1)[:200]), 422) == "truncated"
    assert "none of 2" in refused(server.predict(b"no image", b"neither"), 415)
    data = {"name": "image", "datatype": "BYTES", "shape": [1], "data": ["aGFsbG8="]}
    assert "image 0: not a JPEG" in refused(server.client.post("/v2/models/digits/infer", json={"inputs": [data]}), 415)


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("multipart/form-data", b"x", "boundary"),
        ("multipart/form-data; boundary=b", b"", "malformed|ends early"),
        ("multipart/form-data; boundary=b", b"junk", "malformed|ends early"),
        ("multipart/form-data; boundary=b", b"--b\r\n", "malformed|ends early"),
        ("multipart/form-data; boundary=b", b"--b\r\nA: " + b"x" * 90_000, "malformed"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nx',
            "ends early",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n',
            "no file",
        ),
    ],
)
def test_a_malformed_form_is_400(server: Running, kind: str, body: bytes, says: str) -> None:
    told = refused(server.client.post("/predict", content=body, headers={"content-type": kind}), 400)
    assert any(each in told for each in says.split("|"))


@pytest.mark.parametrize("top", ["0", "x", "-1", "9999999999"])
def test_a_wrong_number_of_classes_is_400(server: Running, top: str) -> None:
    assert "top=" in refused(server.predict(picture(1), top=top), 400)


@pytest.fixture(scope="module")
def strict(place: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with small limits and a token."""
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(TOKEN + "\n")
    flags = ["--max-body", "1", "--max-images", "3", "--max-pixels", "10000", "--token-file", str(file)]
    with running(place, "--threads", "1", "--decoders", "1", "--model-name", "my-digits", *flags) as started:
        started.client.headers["authorization"] = f"Bearer {TOKEN}"
        yield started


def test_what_is_too_large_is_refused(strict: Running) -> None:
    assert "1048576 bytes" in refused(strict.predict(bytes(1 << 20)), 413)
    assert "3 images" in refused(strict.predict(*[picture(1)] * 4), 413)
    assert "at most 3" in refused(
        strict.client.post("/v2/models/my-digits/infer", json={"inputs": [{**PIXELS, "shape": [4, 1, 8, 8]}]}), 413
    )
    assert "more than 10000 pixels: 200 x 100" in refused(strict.predict(picture(1, size=(200, 100))), 422)

    def chunks() -> Iterator[bytes]:  # a body that does not say its length
        for _ in range(20):
            yield bytes(100_000)

    kind = {"content-type": "image/png"}
    assert "1048576 bytes" in refused(strict.client.post("/predict", content=chunks(), headers=kind), 413)
    assert strict.predict(picture(1)).status_code == 200
    assert strict.metric("gleaner_queue_bytes") == 0


def test_without_the_token_only_health_and_metrics_answer(strict: Running) -> None:
    bare = httpx.Client(base_url=strict.link, trust_env=False)
    for path in ("/", "/docs", "/openapi.json", "/v2", "/v2/models/my-digits", "/about", "/nothing"):
        response = bare.get(path)
        assert "token" in refused(response, 401)
        assert response.headers["www-authenticate"].startswith("Basic ")
    refused(bare.post("/predict", files={"image": picture(1)}), 401)
    for wrong in (f"Bearer {TOKEN}x", "Bearer", "Basic !", f"Digest {TOKEN}", "Bearer \xff"):
        refused(bare.get("/v2", headers=[(b"authorization", wrong.encode("latin-1"))]), 401)
    for path in ("/v2/health/live", "/v2/health/ready", "/metrics"):
        assert bare.get(path).status_code == 200
    assert bare.get("/v2", auth=("anyone", TOKEN)).status_code == 200
    bare.close()
    assert TOKEN not in json.dumps(strict.lines)


def test_the_model_answers_to_the_name_that_it_was_given(strict: Running) -> None:
    response = strict.client.post("/v2/models/my-digits/infer", json={"inputs": [PIXELS]})
    assert response.json()["model_name"] == "my-digits"
    assert strict.client.get("/v2/models/digits").json()["name"] == "my-digits"


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing_behind(server: Running) -> None:
    address = urlsplit(server.link)
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 9000\r\n\r\nabc"
        )
    assert server.predict(picture(2)).status_code == 200
    assert server.metric("gleaner_queue_bytes") == 0
    assert "Traceback" not in server.errors


def test_answers_carry_headers_of_safety(server: Running, tmp_path: Path) -> None:
    for path in ("/", "/v2", "/nothing"):
        headers = server.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers
