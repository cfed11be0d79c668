"""A Label Studio for the tests: its recorded answers, and with the marker `studio` a real one.

`make test-studio RECORD=1` writes the recordings anew, from what the real one answers.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import urllib3

from tests.labels.studio import server as real
from tests.labels.studio import world
from tests.labels.studio.cassette import Answering, Player, Recorder
from tests.loopback import listen

RECORDINGS = Path(__file__).parent / "recordings"
ANN, BOB = real.PEOPLE
REAL = (pytest.mark.studio, pytest.mark.timeout(700))  # seconds; the first test starts it


class Studio(NamedTuple):
    url: str
    token: str  # ann's legacy token
    personal: str  # her personal access token

    def ask(self, method: str, path: str, body: Any = None, person: str = ANN) -> Any:
        """What the server answers to a person's browser."""
        headers = {"Authorization": f"Token {real.PEOPLE[person]}"}
        answer = urllib3.request(method, self.url + path, headers=headers, json=body)
        assert answer.status < 300, answer.data[:500]
        return answer.json() if answer.data else None

    def annotate(self, task: int, choice: str | None, person: str = ANN) -> int:
        """Number of the annotation that a person submits; without a choice they skip."""
        value = {"choices": [choice]}
        result = [{"from_name": "choice", "to_name": "image", "type": "choices", "value": value}] if choice else []
        body = {"result": result, "was_cancelled": choice is None, "lead_time": 1.5}
        number: int = self.ask("POST", f"/api/tasks/{task}/annotations/", body, person)["id"]
        return number

    def tasks(self, project: int) -> dict[str, int]:
        """Number of each task by its image."""
        listed = self.ask("GET", f"/api/tasks/?project={project}&include=id,data&page_size=50")["tasks"]
        return {task["data"]["image_id"]: task["id"] for task in listed}


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real.Server]:
    with real.serve(tmp_path_factory.mktemp("label-studio")) as server:
        yield server


@pytest.fixture(params=["recorded", pytest.param("real", marks=REAL)])
def studio(request: pytest.FixtureRequest) -> Iterator[Studio]:
    """A server that answers as Label Studio 1.23 does. What is asked otherwise than in a recording fails the test."""
    recording = RECORDINGS / f"{request.function.__name__.removeprefix('test_')}.jsonl"
    if request.param == "real":
        server = request.getfixturevalue("label_studio")
        recorder = Recorder(server.url)
        with listen(Answering, recorder) as url:
            yield Studio(url, real.PEOPLE[ANN], server.personal)
        if os.environ.get("RECORD") and recorder.heard:
            recording.write_text("".join(f"{json.dumps(each)}\n" for each in recorder.heard), encoding="utf-8")
        return
    player = Player(recording)
    with listen(Answering, player) as url:
        yield Studio(url, real.PEOPLE[ANN], "header.payload.signature")
    assert (player.wrong, player.left) == ([], [])


@pytest.fixture
def digits(tmp_path: Path) -> world.World:
    return world.build(tmp_path)


@pytest.fixture
def gleaner(
    digits: world.World, studio: Studio, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """`gleaner labels WORDS…` on the digits, with ann's token in the environment: what it prints, or its last line."""
    from components.labels.commands import main

    monkeypatch.setenv("LABEL_STUDIO_API_KEY", studio.token)

    def call(*words: str, code: int = 0) -> str:
        found = 0
        try:
            main([words[0], "--name", "digits", "--store", digits.folder, "--url", studio.url, *words[1:]])
        except SystemExit as ended:
            found = int(ended.code or 0)
        said = capsys.readouterr()
        assert found == code, said.err
        assert studio.token not in said.out + said.err
        told = (said.err if code else said.out).replace(studio.url, "URL")
        return told.replace(studio.url.partition("://")[2], "HOST")

    return call
