"""A window of the serving log: which answers it holds, a fair draw of many, and what is told where there are none."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.common.cli import main
from components.common.errors import BadInputError
from components.common.metrics import entropy
from components.common.storage import open_store
from components.monitor.collect.logged import ROOM, Draw
from components.monitor.collect.stage import run
from components.monitor.looks import publish
from components.monitor.observed import SCHEMA
from components.releases.champion import promote, published
from tests import tiny
from tests.monitor.collect.conftest import Watched, ago
from tests.monitor.observed import NOW
from tests.processes import free_port
from tests.releases.made import publish_release

Make = Callable[..., Watched]
HOUR = timedelta(hours=1)
ROOT = Path(__file__).parents[3]


def times(count: int, hours: float = 10) -> list[object]:
    """So many, ending an hour ago, in disorder."""
    order = np.random.default_rng(count).permutation(count)
    return [NOW - HOUR - int(place) * timedelta(hours=hours) / count for place in order]


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_window_holds_what_this_release_answered_in_it(
    kind: str, watched: Make, request: pytest.FixtureRequest, reference: dict[str, bytes]
) -> None:
    release = watched(request.getfixturevalue("s3_bucket") if kind == "s3" else "")
    rows = release.answer(times(30))  # type: ignore[arg-type]
    release.answer([ago(days=7, seconds=1), ago(days=8), NOW, NOW + HOUR], seed=1)
    edge = release.answer([ago(days=7)], seed=2)
    release.answer([ago(days=1), ago(days=2)], version="fedcba9876543210", seed=3)
    found = release.collect()
    expected = sorted([*edge, *rows], key=lambda row: row["time"])
    assert found.table.schema.equals(SCHEMA)
    told = found.table.to_pylist()
    for name in ("id", "time", "version", "predicted", "abstain", "size"):
        assert [row[name] for row in told] == [row[name] for row in expected], name
    assert [row["where"] for row in told] == [None] * 31
    p = np.array([row["probabilities"] for row in expected])
    assert np.array([row["probabilities"] for row in told]).tolist() == p.tolist()
    assert found.table["entropy"].to_numpy() == pytest.approx(entropy(p), abs=1e-6)
    assert (np.array([row["embedding"] for row in told]) == np.array([row["embedding"] for row in expected])).all()
    about = found.about
    assert {name: about.pop(name) for name in ("since", "until", "others", "number", "previous", "why")} == {
        "since": ago(days=7).isoformat(),
        "until": NOW.isoformat(),
        "others": {"fedcba9876543210": 2},
        "number": 1,
        "previous": None,
        "why": "",
    }
    assert about == {
        "format": 1,
        "model": "digits",
        "version": release.model.version,
        "release": release.place,
        "store": release.store,
        "classes": release.model.classes,
        "temperature": 1.25,
        "thresholds": release.model.thresholds,
        "source": "log",
        "place": f"{release.store}/log",
        "images": 31,
        "seen": 31,
        "unreadable": 0,
    }
    for name, data in reference.items():
        assert (release.folder / "observed" / name).read_bytes() == data


def test_the_next_look_goes_on_where_the_last_one_ended(watched: Make) -> None:
    release = watched()
    rows = release.answer([ago(hours=hours) for hours in range(1, 101)])
    publish(
        open_store(release.store),
        "digits",
        {"format": 1, "model": "digits", "number": 4, "until": ago(hours=50).isoformat()},
        {},
    )
    found = release.collect(release=f"{release.store}/releases/digits/{release.model.version}")
    assert found.table["id"].to_pylist() == [row["id"] for row in rows[49::-1]]
    assert (found.about["number"], found.about["previous"], found.about["since"]) == (5, 4, ago(hours=50).isoformat())


def test_a_first_look_with_too_few_answers_goes_back_in_time(watched: Make) -> None:
    release = watched()
    release.answer([ago(hours=hours) for hours in range(1, 11)])
    release.answer([ago(days=days) for days in range(20, 40)], seed=1)
    release.answer([ago(days=days) for days in range(71, 99)], seed=2)
    found = release.collect()
    assert len(found.table) == 30
    assert (found.about["since"], found.about["why"]) == (ago(days=39).isoformat(), "")
    again = release.collect(every_days=1)  # ten of them are too few, whatever else there is
    assert again.about["why"].startswith("10 answers since 2026-03-01 06:00 UTC, and 20 are needed")


def test_of_many_a_random_draw_is_taken_that_a_look_repeats(watched: Make) -> None:
    release = watched()
    ids = []
    for batch in range(5):
        ids += [row["id"] for row in release.answer(times(100, hours=5 + batch), seed=batch)]  # type: ignore[arg-type]
    found = release.collect(max_images=120)
    assert (found.about["images"], found.about["seen"]) == (120, 500)
    drawn = found.table["id"].to_pylist()
    assert len({*drawn} & {*ids}) == 120
    assert found.table["time"].to_pylist() == sorted(found.table["time"].to_pylist())
    assert drawn == release.collect(max_images=120).table["id"].to_pylist()
    assert drawn != release.collect(max_images=120, seed=1).table["id"].to_pylist()


def test_a_draw_is_fair_and_holds_few_more_than_it_keeps() -> None:
    counts = np.zeros(500)
    for seed in range(400):
        draw = Draw(50, np.random.default_rng(seed))
        for start in range(0, 500, 20):
            draw.add(pa.table({"row": np.arange(start, start + 20)}))
            assert draw.held <= ROOM * 50
        table = draw.drawn()
        assert table is not None
        assert (len(table), draw.seen) == (50, 500)
        assert table["row"].to_pylist() == sorted(table["row"].to_pylist())
        counts[table["row"].to_numpy()] += 1
    expected = 400 * 50 / 500
    chi = ((counts - expected) ** 2 / (expected * 0.9)).sum()
    assert 390 < chi < 610  # 499 ± 3.5 standard deviations
    assert Draw(50, np.random.default_rng(0)).drawn() is None


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_where_nothing_was_logged_a_look_says_so_and_succeeds(
    kind: str, watched: Make, request: pytest.FixtureRequest
) -> None:
    release = watched(request.getfixturevalue("s3_bucket") if kind == "s3" else "")
    found = release.collect()
    assert len(found.table) == found.about["images"] == 0
    assert found.table.schema.equals(SCHEMA)
    assert found.about["why"] == (
        f"the log {release.store}/log holds no answers from 2026-02-23 06:00 to 2026-03-02 06:00 UTC: `gleaner serve "
        "--log` writes them, once somebody asks"
    )
    release.answer([ago(hours=1)], model="cats")
    assert (
        release.collect()
        .about["why"]
        .startswith(f"the log {release.store}/log holds answers of cats, none of digits from")
    )


def test_a_log_of_other_releases_says_which(watched: Make) -> None:
    release = watched()
    release.answer(times(30), version="fedcba9876543210")  # type: ignore[arg-type]
    release.answer([ago(hours=1)], version="0123456789abcdef", seed=1)
    found = release.collect()
    assert found.about["others"] == {"fedcba9876543210": 30, "0123456789abcdef": 1}
    assert found.about["why"].endswith(
        f"are of other releases: 0123456789abcdef (1), fedcba9876543210 (30); none is of {release.model.version} yet"
    )


def test_fewer_images_than_a_test_needs_wait_for_the_next_look(
    watched: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    release = watched()
    release.answer([ago(days=3, hours=hour) for hour in range(19)])
    found = release.collect()
    assert len(found.table) == 19
    why = "19 answers since 2026-02-23 06:00 UTC, and 20 are needed (monitor.min_images): the next look takes them in"
    assert found.about["why"] == why
    assert capsys.readouterr().out == f"19 of 19 images of {release.store}/log: {why}\n"
    release.answer([ago(hours=1)], seed=1)
    assert (len(release.collect().table), release.collect().about["why"]) == (20, "")


def test_what_is_wrong_with_the_log_is_told_in_a_line(
    watched: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = watched()

    def refused(**settings: object) -> str:
        words = ["--release", release.place, "--source", "", "--settings", json.dumps(settings)]
        with pytest.raises(SystemExit) as ended:
            main(run, [*words, "--observed", str(tmp_path / "observed")])
        assert ended.value.code == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert not (tmp_path / "observed").exists()
        return said

    assert refused(log=str(tmp_path / "nowhere")) == (
        f"error: monitor: {tmp_path}/nowhere: no such folder; expected the one that `gleaner serve --log` writes "
        "under\n"
    )
    assert "is not a place that is known" in refused(log="ftp://x/y")
    assert "monitor.min_images: Input should be greater than or equal to 20" in refused(min_images=1)
    assert "min_images (200) must not exceed max_images (100)" in refused(min_images=200, max_images=100)
    publish(
        open_store(release.store),
        "digits",
        {"format": 1, "model": "digits", "number": 1, "until": (NOW + HOUR).isoformat()},
        {},
    )
    assert "look 1 of digits ended at 2026-03-02T07:00:00+00:00, 60 minutes after now" in refused()


@pytest.mark.parametrize("data", [b"", b"no table", None])
def test_a_file_in_the_log_that_is_no_batch_is_told(data: bytes | None, watched: Make) -> None:
    release = watched()
    release.answer(times(30))  # type: ignore[arg-type]
    if data is None:
        sink = pa.BufferOutputStream()
        pa.parquet.write_table(pa.table({"id": ["a"]}), sink)
        data = sink.getvalue().to_pybytes()
    open_store(f"{release.store}/log").write("digits/2026-03-01/000000.parquet", data)
    with pytest.raises(
        BadInputError, match=r"log/digits/2026-03-01/000000\.parquet: expected a batch of a serving log"
    ):
        release.collect()


def test_answers_of_other_classes_are_told(watched: Make) -> None:
    release = watched()
    release.answer(times(30), classes=3)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match=r"30 answers of .* hold 90 probabilities; expected 10 each"):
        release.collect()


def test_a_release_without_a_reference_or_a_store_is_told(
    watched: Make, tiny_world: tiny.World, tmp_path: Path
) -> None:
    release = watched()
    bare = publish_release(tiny_world, str(tmp_path / "bare"))
    with pytest.raises(
        BadInputError, match=r"release\.json: lists no reference\.parquet, which a watch compares with; re"
    ):
        release.collect(release=bare)
    copy = (tmp_path / "copy").resolve()
    Path(release.place).rename(copy)
    with pytest.raises(
        BadInputError, match=re.escape(f"{copy}: lies in no store that could hold the log; say where it is")
    ):
        release.collect(release=str(copy))
    release.answer(times(30), log=str(tmp_path / "elsewhere"))  # type: ignore[arg-type]
    found = release.collect(release=str(copy), log=str(tmp_path / "elsewhere"))
    assert (found.about["store"], found.about["number"], len(found.table)) == (None, 1, 30)


def test_of_a_model_the_champion_is_watched(watched: Make) -> None:
    release = watched()
    release.answer(times(30))  # type: ignore[arg-type]
    model = f"{release.store}/releases/digits"
    found = release.collect(release=model)
    assert found.about["why"].startswith("no release of digits is the champion yet")
    assert (found.about["version"], len(found.table), len(found.reference)) == ("", 0, 0)
    published(open_store(release.store), release.model.about, passed=True, who="ann", why="", source="")
    promote(open_store(release.store), release.model.about, expected=None, who="ann", why="", source="")
    assert release.collect(release=model).about["release"] == release.place


def test_a_reference_that_was_changed_is_told(watched: Make) -> None:
    release = watched()
    (Path(release.place) / "reference.parquet").write_bytes(b"other")
    with pytest.raises(BadInputError, match=r"reference\.parquet: .* it was changed after its release"):
        release.collect()


def test_a_server_that_is_away_is_told(watched: Make, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    release = watched()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr("components.common.storage.s3.ATTEMPTS", 1)
    with pytest.raises(BadInputError) as refused:
        release.collect(log=f"{s3_bucket}/log")
    assert "\n" not in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


def test_it_runs_in_the_image_that_serves() -> None:
    code = "import sys, components.monitor.collect.__main__; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert not {"torch", "torchvision", "scipy", "sklearn", "kfp", "safetensors"} & {*said.split()}
