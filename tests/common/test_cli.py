"""Flags from a signature, single settings among them."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from components.common.cli import parse
from components.common.errors import BadInputError
from components.common.settings import Settings


class Inner(Settings):
    """A model of its own."""

    depth: int = 1


class Knobs(Settings):
    """What a stage is set by."""

    epochs: Annotated[int, Field(ge=0)] = 100
    """Passes; 5 % of them warm up."""
    strategy: Literal["typiclust", "random"] = "typiclust"
    promote: bool = True
    limit: float | None = None
    title: str = ""
    store: str = "is the stage's own flag"
    inner: Inner = Inner()


def run(store: str, settings: Knobs) -> None:
    """A stage."""


def knobs(*words: str) -> Knobs:
    values, _ = parse(run, "toy", ["--store", "s", *words])
    assert values["store"] == "s"
    return values["settings"]


def test_single_settings_have_flags():
    given = knobs("--epochs", "5", "--strategy", "random", "--promote", "false", "--limit", "0.5", "--title", "100")
    assert given == Knobs(epochs=5, strategy="random", promote=False, limit=0.5, title="100")
    assert knobs("--limit", "null") == Knobs()


def test_the_json_goes_before_single_settings():
    assert knobs("--epochs", "5", "--promote", "false", "--settings", '{"epochs": 7}') == Knobs(epochs=7, promote=False)


def test_settings_come_from_a_file(tmp_path: Path):
    (tmp_path / "s.json").write_text('{"title": "cats"}', encoding="utf-8")
    assert knobs("--settings", f"@{tmp_path}/s.json") == Knobs(title="cats")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--epochs", "-1"], "toy.epochs: Input should be greater than or equal to 0 (got -1)"),
        (["--epochs", "many"], "toy.epochs: Input should be a valid integer"),
        (["--strategy", "best"], "toy.strategy: Input should be 'typiclust' or 'random' (got 'best')"),
        (["--settings", "{"], "--settings is not JSON"),
        (["--settings", "[1]", "--epochs", "2"], "Input should be a valid dictionary"),
    ],
)
def test_a_mistake_names_the_setting(words, said):
    with pytest.raises(BadInputError) as error:
        knobs(*words)
    assert said in str(error.value)


def test_help_explains_them(capsys):
    with pytest.raises(SystemExit):
        parse(run, "toy", ["--help"])
    text = capsys.readouterr().out
    assert "Passes; 5 % of them warm up." in text
    assert text.count("--store") == 2  # usage and list: a stage's own flag is not doubled by a setting of that name
    assert "--inner" not in text


def seeded(store: str, seed: int, threads: int, settings: Knobs) -> None:
    """A stage that draws at random."""


def test_the_settings_may_hold_seed_and_threads(capsys):
    """As `plan` hands them on: whole numbers may come with a point, as protobuf writes them."""
    values, _ = parse(seeded, "toy", ["--store", "s", "--settings", '{"seed": 7.0, "threads": 2, "epochs": 3}'])
    assert values == {"store": "s", "seed": 7, "threads": 2, "settings": Knobs(epochs=3)}
    assert [type(values[name]) for name in ("seed", "threads")] == [int, int]
    values, _ = parse(seeded, "toy", ["--store", "s", "--seed", "1", "--threads", "1"])
    assert (values["seed"], values["threads"], values["settings"]) == (1, 1, Knobs())
    with pytest.raises(SystemExit) as ended:
        parse(seeded, "toy", ["--store", "s", "--seed", "1"])
    assert ended.value.code == 2
    assert "--threads is required, or 'threads' in --settings" in capsys.readouterr().err
    with pytest.raises(BadInputError, match="seed"):
        knobs("--settings", '{"seed": 1}')  # of a stage that draws nothing
