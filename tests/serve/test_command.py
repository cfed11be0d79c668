"""How the server starts: what it refuses, what it imports, and in what time it is ready."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.serve.command import main
from tests.processes import free_port
from tests.serve.running import ROOT, running


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line of an exit with code 2."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: serve: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize("name", ["model.onnx", "calibration.json", "preprocessing.json", "release.json"])
def test_a_bundle_with_one_byte_changed_is_not_served(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    bundle = Path(shutil.copytree(place, tmp_path / "bundle"))
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    said = refused(capsys, str(bundle), "--port", "0")
    assert name in said
    assert "changed after its release" in said


def test_what_cannot_be_served_is_told_in_a_line(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no such file or folder" in refused(capsys, str(tmp_path / "nothing"), "--port", "0")
    assert "neither release.json nor champion.json" in refused(capsys, str(tmp_path), "--port", "0")
    assert "--watch follows a champion" in refused(capsys, place, "--port", "0", "--watch", "5")
    assert "int8" in refused(capsys, place, "--port", "0", "--int8")
    assert "cannot listen at" in refused(capsys, place, "--host", "nowhere.invalid")
    assert "cannot be read" in refused(capsys, place, "--token-file", str(tmp_path / "token"))
    (tmp_path / "token").write_text("short\n")
    assert "at least 16" in refused(capsys, place, "--token-file", str(tmp_path / "token"))
    assert "is not a place that is known" in refused(capsys, place, "--port", "0", "--log", "ftp://x/y")


def test_another_release_than_the_one_that_is_demanded_is_refused(
    place: str, capsys: pytest.CaptureFixture[str], pictures: list[bytes]
) -> None:
    digest = f"sha256:{hashlib.sha256((Path(place) / 'release.json').read_bytes()).hexdigest()}"
    said = refused(capsys, place, "--port", "0", "--digest", digest[:-1] + "x")
    assert digest in said
    assert "choose one" in refused(capsys, str(Path(place).parent), "--port", "0", "--digest", digest, "--watch", "9")
    with running(place, "--threads", "1", GLEANER_RELEASE_DIGEST=digest) as server:
        assert server.predict(pictures[0]).status_code == 200


def test_a_port_that_is_taken_is_told_in_a_line(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    with running(place, "--threads", "1") as server:
        assert "in use" in refused(capsys, place, "--port", server.link.rpartition(":")[2])


@pytest.mark.parametrize(
    "words", [["--watch", "x"], ["--log-rate", "2"], ["--max-queue", "0"], ["--threads", "1.5"], ["--nothing"]]
)
def test_flags_that_make_no_sense_are_refused(place: str, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([place, *words])
    assert ended.value.code == 2


def test_it_starts_as_a_serving_runtime_starts_it(place: str, tmp_path: Path, pictures: list[bytes]) -> None:
    models = shutil.copytree(place, tmp_path / "mnt" / "models")  # as KServe's storage initializer leaves a version
    port = free_port()
    flags = ["--host", "0.0.0.0", "--port", str(port), "--model_name", "digits-isvc", "--drain", "0.1"]
    with running(str(models), "--threads", "1", *flags) as server:
        assert server.client.get("/v2/models/digits-isvc/ready").status_code == 200
        assert server.predict(pictures[0]).json()["model"] == "digits-isvc"


def test_a_server_imports_no_torch_and_a_decoder_not_even_the_model() -> None:
    script = (
        "import sys, json, components.serve.server; server = [*sys.modules]\n"
        "print(json.dumps([name for name in ('torch', 'pyarrow', 'boto3') if name in server]))"
    )
    decoder = "import sys, json, components.serve.engine.decoding\nprint(json.dumps(sorted(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(text: str) -> list[str]:
        return json.loads(subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True).stdout)

    assert run(script) == []
    assert not {"onnxruntime", "fastapi", "uvicorn", "asyncio", "pyarrow", "torch"} & {*run(decoder)}


def test_help_says_how_to_start_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "/mnt/models" in capsys.readouterr().out
