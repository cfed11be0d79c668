"""The watch over a released model, as a table of contents: collect what it answered, compare, decide what follows."""

from kfp import dsl

from components.monitor.collect.component import collect
from components.monitor.compare.component import compare
from components.monitor.decide.component import decide


@dsl.pipeline(
    name="gleaner-monitoring",
    description="Compares what a release answers with what it was made for, says what is new, and starts a training run.",
)
def monitoring(release: str, source: str = "", settings: dict = {}, training: dict = {}) -> None:
    """Look at a served model once: drift of its inputs and answers, expected accuracy, images that are new.

    Args:
        release: Folder or s3:// URI of a model, whose champion is watched, or of a version: s3://bucket/store/releases/NAME.
        source: Empty: the serving log, since the last look. Else a folder, s3:// prefix, pattern, archive or table of images, which the release classifies first.
        settings: JSON object of what differs from the defaults, as in the section `monitor` of a run configuration: log, every_days, min_images, max_images, false_alarms, alarm_on, least_shift, least_share, least_drop, candidates, audit, train, cool_down_days, labels_per_alarm, labels_per_month, seed.
        training: How a training run is started where an alarm asks for one, as `gleaner submit` and schedules fill it in. {} starts none.
    """
    observed = collect(release=release, source=source, settings=settings).outputs["observed"]
    drift = compare(release=release, observed=observed, settings=settings).outputs["drift"]
    decide(release=release, drift=drift, settings=settings, training=training)
