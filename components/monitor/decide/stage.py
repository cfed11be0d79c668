"""Start a training run where an alarm asks for one, or say why not."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from components.common.cli import Metadata
from components.common.clock import now
from components.common.errors import BadInputError
from components.common.files import new_folder, read_json, sha256_json, write_json
from components.common.storage import Store, open_store
from components.monitor import looks
from components.monitor.claims import Claim, claim, claims, free_number, started
from components.monitor.decide.asking import PAID, asking
from components.monitor.settings import MonitorSettings
from components.monitor.training import Training, read_training, start

MONTH = timedelta(days=30)
DRIFT, PAGE = "drift.json", "drift.html"
SKEW = timedelta(minutes=5)  # that the clocks of two machines may differ


@dataclass(frozen=True)
class Decision:
    """What follows from a look: decision.json."""

    train: bool  # whether a run is to be started here (local), or was (Kubeflow)
    why: str
    overrides: tuple[str, ...] = ()  # of the run, as `gleaner run` takes them
    labels: int = 0  # that it may ask for
    claim: int | None = None  # its number
    started: dict[str, Any] | None = None  # the run
    cool_down_until: str | None = None  # ISO


@dataclass(frozen=True)
class Watched:
    """A release, and what is done about it."""

    store: Store
    model: str
    version: str
    training: Training
    settings: MonitorSettings


def run(
    release: str, drift: Path, settings: MonitorSettings, training: dict[str, Any], decision: Path
) -> Metadata | None:
    """Start the training run that a look's alarm asks for, once whatever the number of monitors, or say why not.

    release: as `gleaner predict` takes it; drift: the output of compare; training: where a run is started, as schedules
    and `gleaner submit` fill it in, or {} for none. On Kubeflow the run is started here; on a laptop the decision says
    what to run. Raises BadInputError where a claim is later than now, FailedError where Kubeflow is away for long.
    """
    if not (drift / DRIFT).is_file():
        raise BadInputError(f"{drift}: holds no {DRIFT}; expected the output of components.monitor.compare")
    found = read_json(drift / DRIFT)
    decided = decide(found, settings, read_training(training))
    told = {"format": 1, "release": release, "model": found["model"], **vars(decided)}
    with new_folder(decision) as folder:
        write_json(folder / "decision.json", told)
    print(decided.why, flush=True)
    shown = {"train": decided.train, "why": decided.why, "labels": decided.labels}
    if decided.started:
        shown["run"] = decided.started.get("link", "")
    return {"decision": shown}


def decide(drift: dict[str, Any], settings: MonitorSettings, training: Training | None) -> Decision:
    """What follows from drift.json; on Kubeflow it has been done by then."""
    alarm = bool(drift["verdict"]["alarm"])
    nothing = "it cannot be told yet: nothing to do" if drift["verdict"]["cannot_tell"] else "no alarm: nothing to do"
    off = _off(drift, settings, training)
    if off or training is None:
        return Decision(False, f"an alarm, and no training run: {off}" if alarm else nothing)
    watched = Watched(open_store(drift["store"]), drift["model"], drift["version"], training, settings)
    if (left := _left_behind(watched)) is not None:
        return left
    if not alarm:
        return Decision(False, nothing, cool_down_until=_cool_down(watched, now()))
    look = looks.look_at(watched.store, watched.model, drift["number"])
    if look is None or not look["verdict"]["alarm"]:
        return Decision(
            False, f"no training run: look {drift['number']} of the store is another one, and raised no alarm"
        )
    while True:
        decided = _next(watched, look, now())
        if isinstance(decided, Decision):
            return decided
        if claim(watched.store, watched.model, decided):
            return _carried_out(watched, decided)


def _off(drift: dict[str, Any], settings: MonitorSettings, training: Training | None) -> str:
    """Why no alarm starts a training run here; empty where one may."""
    if not settings.train:
        return "monitor.train is false"
    if training is None:
        return "the watch was started without a word on how one is started (training)"
    return "" if drift.get("store") else f"the release {drift['release']} lies in no store, where it would be claimed"


def _left_behind(watched: Watched) -> Decision | None:
    """What becomes of a claim on this version whose run nobody has started: it is started now; None where all were."""
    for one in claims(watched.store, watched.model):
        if one.version == watched.version and started(watched.store, watched.model, one.number) is None:
            return _carried_out(watched, one)
    return None


def _next(watched: Watched, look: looks.Look, moment: datetime) -> Decision | Claim:
    """The claim of this look, or why it makes none."""
    number = free_number(watched.store, watched.model)  # before they are read: whoever is faster than this has it
    before = claims(watched.store, watched.model)
    for one in before:
        if one.at > moment + SKEW:
            raise BadInputError(
                f"training {one.number} of {watched.model} was claimed at {one.time}, which is after now "
                f"({moment.isoformat(timespec='seconds')}): expected a time that is past; set this machine's clock "
                f"right, or, where that one's was wrong, remove {watched.store.uri}/monitor/{watched.model}/trainings/"
                f"{one.number:06d}.json"
            )
    if (same := next((one for one in before if one.look == look["number"]), None)) is not None:
        return _carried_out(watched, same)
    if (until := _cool_down(watched, moment)) is not None:
        days = f"{watched.settings.cool_down_days:g} days after that of {before[-1].time}"
        why = f"an alarm, and no training run before {until}, {days}"
        return Decision(False, why, cool_down_until=until)
    spent = [one for one in before if one.at > moment - MONTH]
    left = watched.settings.labels_per_month - sum(one.labels for one in spent)
    asks = asking(watched.store, look, watched.training, min(watched.settings.labels_per_alarm, max(0, left)))
    if left <= 0 and watched.training.setting("sample", "label_access") != PAID:
        free = min(one.at for one in spent) + MONTH
        return Decision(
            False,
            f"an alarm, and no training run: the {watched.settings.labels_per_month} labels of 30 days are asked for; "
            f"some are free again at {free.isoformat(timespec='seconds')}",
        )
    return _claim(watched, look, moment, number, asks.labels, asks.overrides)


def _claim(
    watched: Watched, look: looks.Look, moment: datetime, number: int, labels: int, overrides: dict[str, Any]
) -> Claim:
    title, sentences = look["verdict"]["title"], look["verdict"]["why"]
    made = Claim(
        number,
        look["number"],
        watched.version,
        "",
        moment.isoformat(timespec="seconds"),
        labels,
        " ".join([f"{title.rstrip('.')}.", *sentences]),
        overrides,
    )
    # told from runs of another store, which the same server may have
    mark = sha256_json([watched.store.uri, vars(made)])[:6]
    return replace(made, name=f"{watched.model}-drift-{look['number']:06d}-{mark}")


def _cool_down(watched: Watched, moment: datetime) -> str | None:
    """Until when no other training run is started; None where one may be."""
    times = [one.at for one in claims(watched.store, watched.model)]
    until = max(times, default=moment - MONTH) + timedelta(days=watched.settings.cool_down_days)
    return until.isoformat(timespec="seconds") if times and until > moment else None


def _carried_out(watched: Watched, one: Claim) -> Decision:
    """The decision of a claim. On Kubeflow its run is started, where it was not; on a laptop it is to be."""
    overrides = tuple(f"{key}={value}" for key, value in one.overrides.items())
    told = f"training {one.number}, of look {one.look} and {one.labels} labels"
    run = started(watched.store, watched.model, one.number)
    is_new = run is None
    if run is not None:
        why = f"{told}, was started before: {_place(run)}"
    elif watched.training.kubeflow is not None:
        run = start(watched.store, watched.model, one, watched.training, _page(watched, one))
        why = f"{told}, is started: {_place(run)}. {one.why}"
    else:
        why = f"{told}, is to be run here. {one.why}"
    return Decision(is_new, why, overrides, one.labels, one.number, run, _cool_down(watched, now()))


def _place(run: dict[str, Any]) -> str:
    return str(run.get("link") or run.get("name") or run)


def _page(watched: Watched, one: Claim) -> str:
    look = looks.look_at(watched.store, watched.model, one.look)
    return looks.place_of(watched.store, look, PAGE) if look and PAGE in look["files"] else ""
