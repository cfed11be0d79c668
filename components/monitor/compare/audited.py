"""The audit's part in a look: what it draws for people, and what they have said of earlier draws."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa
from scipy.stats import norm

from components.common.errors import BadInputError
from components.common.metrics import wilson_interval
from components.common.storage import Store
from components.monitor.audit import draw, measured
from components.monitor.observed import Observed
from components.monitor.settings import MonitorSettings
from components.monitor.signals.sample import Held
from components.monitor.signals.signal import AUDIT, rounded

ROUNDED = ("accuracy", "low", "high")


def drawn(observed: Observed, settings: MonitorSettings, pictures: Mapping[str, bytes] | None = None) -> pa.Table:
    """Answers of the look for people to label; the same ones whenever it is asked. pictures: by id."""
    said = observed.about
    since, until = (datetime.fromisoformat(said[name]) for name in ("since", "until"))
    picture = (lambda row: pictures.get(row["id"])) if pictures is not None else None
    days = (until - since).total_seconds() / 86400
    return draw(observed.table, settings, said["model"], said["number"], days, picture)


def audited(
    store: Store, about: Mapping[str, Any], release: Mapping[str, Any], held: Held | None, settings: MonitorSettings
) -> dict[str, Any] | None:
    """`audit` of drift.json but for `since`: the true accuracy of a version; None where no look has drawn an answer.

    about: observed.json; release: release.json. It is compared with the lower end of the accuracy on the held-out
    images, at the audit's own level. Where people's answers cannot be read, `told` says why, and the look goes on.
    """
    level = settings.false_alarms * AUDIT
    sample = release.get("run", {}).get("settings", {}).get("sample", {})
    lowest = None
    if held is not None and len(held.correct):
        z = float(norm.isf(level / 2))
        lowest = wilson_interval(int(held.correct.sum()), len(held.correct), z)[0]
    try:
        found = measured(
            store,
            release.get("dataset_name") or about["model"],
            about["model"],
            about["version"],
            level=level,
            labels_file=_named(sample.get("labels_file")),
            expected=lowest,
            least=settings.least_drop,
        )
    except BadInputError as error:
        return {"alarm": False, "labelled": 0, "waiting": 0, "looks": [], "told": f"The audit cannot be read: {error}."}
    if found is None:
        return None
    figures = {name: rounded(found[name]) for name in ROUNDED}
    return {**found, **figures, "alarm": found["alarm"] and "audit" in settings.alarm_on}


def _named(given: Any) -> str:
    """A setting of a run as its release records it: a pipeline's parameter says null as a word."""
    return "" if given in (None, "null") else str(given)
