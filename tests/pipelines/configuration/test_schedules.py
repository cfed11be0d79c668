"""The schedules file: what it may say, and the one line for what it may not."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.common.errors import BadInputError
from pipelines.configuration.cron import FIELDS, NAMES, check_cron, fires_between
from pipelines.configuration.schedules import load_schedules, schema
from pipelines.configuration.version import version_name
from pipelines.kubeflow.schedules.plan import wanted_schedules
from tests.pipelines.kubeflow.gitops import NIGHTLY, write_compiled, write_git

CONFIGS = Path(__file__).parents[3] / "pipelines" / "configs"


def mistake(file: Path) -> str:
    with pytest.raises(BadInputError) as told:
        load_schedules(file)
    text = str(told.value).replace(f"{file.parent}/", "")
    assert "\n" not in text
    return text


def test_the_example_is_right():
    file, configs = load_schedules(CONFIGS / "schedules.yaml")
    assert list(file.schedules) == list(configs) == ["digits-nightly", "digits-watch", "digits-thorough"]
    assert not file.schedules["digits-nightly"].paused


def test_the_committed_schema_is_the_present_one():
    text = (CONFIGS / "schedules.schema.json").read_text(encoding="utf-8")
    assert text == schema(), "run `gleaner compile`"
    assert json.loads(text)["$defs"]["Schedule"]["properties"]["max_concurrency"]["maximum"] == 10


@pytest.mark.parametrize(
    ("schedule", "line"),
    [
        (
            {"cron": "30 2 * * *"},
            "schedules.yaml:4: cron: got '30 2 * * *' with 5 fields, expected six, second minute hour day month "
            "weekday",
        ),
        ({"cron": "* 30 2 * * *"}, "schedules.yaml:4: cron: got '* 30 2 * * *', expected one number of seconds first"),
        (
            {"cron": "0 0 0 30 feb *"},
            "schedules.yaml:4: cron: got '0 0 0 30 feb *', expected a day that its months have",
        ),
        ({"cron": 5}, "schedules.yaml:4: cron: got 5, expected a valid string"),
        ({"cron": "@daily"}, "schedules.yaml:4: cron: got '@daily' with 1 field, expected six"),
        ({"crn": "x"}, "schedules.yaml:6: unknown key 'crn'; did you mean 'cron'?"),
        (
            {"config": "other.yaml"},
            "schedules.yaml:5: config: no such file (other.yaml); expected a run configuration, relative to",
        ),
        ({"max_concurrency": 11}, "schedules.yaml:6: max_concurrency: got 11, expected less than or equal to 10"),
        (
            {"pipeline_version": "v2"},
            "schedules.yaml:6: pipeline_version: got 'v2', expected text that matches ^(committed|latest|",
        ),
        (
            {"time_zone": "Europe/Berln"},
            "schedules.yaml:6: time_zone: got 'Europe/Berln', which is no time zone; did you mean 'Europe/Berlin'?",
        ),
        (
            {"cron": "0 30 0 1 * *", "time_zone": "Europe/Berlin"},
            "schedules.yaml:6: time_zone: got 'Europe/Berlin' for '0 30 0 1 * *', which is on the day before in UTC, "
            "by which Kubeflow goes; expected a later hour, or days of the week",
        ),
        ({"cron": "TZ=UTC 0 30 2 * * *"}, "schedules.yaml:4: cron: got 'TZ=UTC 0 30 2 * * *' with 7 fields, expected"),
        ({"pipeline": "watch"}, "schedules.yaml:6: pipeline: got 'watch', expected 'training' or 'monitoring'"),
        (
            {"pipeline": "monitoring", "pipeline_version": "gleaner-training-0123456789ab"},
            "schedules.yaml:7: pipeline_version: got 'gleaner-training-0123456789ab', which is a version of the "
            "pipeline `training`; expected one of `monitoring`, committed or latest",
        ),
        (
            {"pipeline_version": "gleaner-monitoring-0123456789ab"},
            "schedules.yaml:6: pipeline_version: got 'gleaner-monitoring-0123456789ab', which is a version of the "
            "pipeline `monitoring`; expected one of `training`, committed or latest",
        ),
        ({"paused": "no way"}, "schedules.yaml:6: paused: got 'no way', expected a valid boolean"),
    ],
)
def test_a_mistake_in_a_schedule(tmp_path, schedule, line):
    assert mistake(write_git(tmp_path, {"nightly": {**NIGHTLY, **schedule}})).startswith(line)


@pytest.mark.parametrize(
    ("schedules", "top", "line"),
    [
        ({"Nightly": NIGHTLY}, {}, "schedules.yaml:3: schedules.Nightly: got 'Nightly', expected text that matches"),
        (
            {"nightly": {"config": "run.yaml"}},
            {},
            "schedules.yaml:3: nightly: lacks 'cron'; expected: Six fields, second minute",
        ),
        ({"nightly": None}, {}, "schedules.yaml:3: nightly: got None, expected a section of `key: value` lines"),
        ([], {}, "schedules.yaml:2: schedules: got [], expected an object"),
        ({}, {"keep_dys": 3}, "schedules.yaml:2: unknown key 'keep_dys'; did you mean 'keep_days'?"),
        ({}, {"app": "a/b"}, "schedules.yaml:2: app: got 'a/b', expected text that matches"),
        ({}, {"compiled": "none"}, "schedules.yaml:2: compiled: no training.yaml in none"),
        ({}, {"version": 2}, "schedules.yaml:1: version: got 2, expected 1"),
    ],
)
def test_a_mistake_in_the_file(tmp_path, schedules, top, line):
    assert mistake(write_git(tmp_path, schedules, **top)).startswith(line)


def test_a_watch_needs_its_compiled_pipeline(tmp_path):
    write_compiled(tmp_path, b"a pipeline")
    file = write_git(tmp_path, {"watch": {**NIGHTLY, "pipeline": "monitoring"}}, compiled="compiled")
    assert mistake(file) == (
        "schedules.yaml:7: pipeline: no monitoring.yaml in compiled; expected `gleaner compile` run and committed"
    )


def test_no_file(tmp_path):
    assert (
        mistake(tmp_path / "none.yaml")
        == "none.yaml: no such file; expected a schedules file such as pipelines/configs/schedules.yaml"
    )


@pytest.mark.parametrize("key", ["source", "store"])
def test_folders_of_this_machine_are_refused(tmp_path, key):
    file = write_git(tmp_path, {"nightly": NIGHTLY}, run={key: "photos"})
    assert (
        mistake(file) == f"run.yaml: {key}: got 'photos', expected s3://bucket/prefix: the stages run on other machines"
    )


def test_a_server_of_this_machine_is_refused(tmp_path):
    file = write_git(tmp_path, {"nightly": NIGHTLY}, run={"object_store": "objects"})
    assert mistake(file).startswith(
        "run.yaml: object_store: got 'objects', expected null: that server is on this machine"
    )


def test_a_mistake_in_the_run_configuration(tmp_path):
    assert "unknown key 'sed'; did you mean 'seed'?" in mistake(
        write_git(tmp_path, {"nightly": NIGHTLY}, run={"sed": 1})
    )


def test_all_commented_out(tmp_path):
    file = write_git(tmp_path, None)
    assert load_schedules(file)[0].schedules == {}


def digest(folder: Path, schedule: dict[str, object] | None = None, **top: object) -> str:
    file = write_git(folder, {"nightly": {**NIGHTLY, **(schedule or {})}}, **top)  # type: ignore[arg-type]
    schedules, configs = load_schedules(file)
    [want] = wanted_schedules(schedules, configs, folder, datetime.now(UTC)).values()
    return want.digest


def test_the_digest_is_of_what_is_started(tmp_path):
    write_compiled(tmp_path, b"another pipeline")
    base = digest(tmp_path)
    others = [
        digest(tmp_path, {"cron": "0 31 2 * * *"}),
        digest(tmp_path, {"max_concurrency": 2}),
        digest(tmp_path, {"pipeline_version": "latest"}),
        digest(tmp_path, platform_generation=2),
        digest(tmp_path, experiment="other"),
        digest(tmp_path, service_account="robot"),
        digest(tmp_path, run={"seed": 1}),
        digest(tmp_path, compiled="compiled"),
        digest(tmp_path, {"pipeline": "monitoring"}),
        digest(tmp_path, {"pipeline": "monitoring"}, run={"monitor": {"audit": 20}}),
        digest(tmp_path, {"pipeline": "monitoring"}, run={"monitor": {"train": True}}),
        digest(tmp_path, {"pipeline": "monitoring"}, run={"monitor": {"train": True}, "seed": 1}),
        digest(tmp_path, {"service_account": "other"}),
    ]
    assert len({base, *others}) == 1 + len(others)
    same = [
        digest(tmp_path),
        digest(tmp_path, {"cron": "0  30 2 * *  *"}),
        digest(tmp_path, {"paused": True}),
        digest(tmp_path, keep_days=3),
        digest(tmp_path, {"pipeline_version": version_name()}),
        digest(tmp_path, run={"seed": 0}),
        digest(tmp_path, {"pipeline": "training"}, run={"monitor": {"audit": 20}}),
    ]
    assert set(same) == {base}


def slow_values(field: str, word: str) -> set[int]:
    """By trying every number."""
    least, greatest = FIELDS[field]

    def number(text: str) -> int:
        return NAMES.get(field, {}).get(text, -1) if text.isalpha() else int(text)

    def holds(part: str, value: int) -> bool:
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        low = least if span == "*" else number(first)
        high = greatest if span == "*" or (step and not last) else number(last or first)
        return low <= value <= high and (value - low) % int(step or 1) == 0

    return {value for value in range(least, greatest + 1) if any(holds(part, value) for part in word.split(","))}


def words(field: str) -> st.SearchStrategy[str]:
    least, greatest = FIELDS[field]
    numbers = st.integers(least, greatest)
    names = st.sampled_from(sorted(NAMES.get(field, {str(least): 0})))
    ranges = st.tuples(numbers, numbers).map(lambda pair: f"{min(pair)}-{max(pair)}")
    bases = st.one_of(st.just("*"), numbers.map(str), ranges)
    steps = st.tuples(bases, st.integers(1, 9)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    parts = st.one_of(bases, names, steps)
    return st.lists(parts, min_size=1, max_size=3).map(",".join)


@given(st.data())
def test_cron_fields_against_trying_every_number(data):
    from pipelines.configuration.cron import field_values

    field = data.draw(st.sampled_from(list(FIELDS)))
    word = data.draw(words(field))
    assert field_values(field, word, word) == slow_values(field, word)


@given(st.data(), st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.integers(0, 30 * 60 * 60))
def test_times_of_a_cron_against_trying_every_minute(data, after, seconds):
    after = after.replace(microsecond=0)
    fields = {"minute": "0", "hour": "*", "day": "*", "month": "*", "weekday": "*"}
    for field in data.draw(st.sets(st.sampled_from(list(fields)), max_size=3)):
        fields[field] = data.draw(words(field))
    cron = " ".join(["30", *fields.values()])
    right = {field: slow_values(field, word) for field, word in fields.items()}
    until = after + timedelta(seconds=seconds)
    either = "*" not in fields["day"].split(",") and "*" not in fields["weekday"].split(",")

    def fires(moment: datetime) -> bool:
        day = moment.day in right["day"], moment.isoweekday() % 7 in right["weekday"]
        time = moment.minute in right["minute"] and moment.hour in right["hour"] and moment.month in right["month"]
        return time and (any(day) if either else all(day))

    first = (after - timedelta(seconds=30)).replace(second=30)
    moments = [first + timedelta(minutes=minute) for minute in range(seconds // 60 + 2)]
    assert fires_between(cron, after, until) == any(after < moment <= until and fires(moment) for moment in moments)


@given(st.text(st.sampled_from("0123456789*/-,? @LWmon"), max_size=20))
def test_any_text_is_right_or_told_in_one_line(text):
    try:
        answer = check_cron(text)
    except ValueError as error:
        answer = str(error)
    assert len(answer.split()) == 6 or ("expected" in answer and "\n" not in answer)
