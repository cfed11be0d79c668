from kfp.dsl import Artifact, ContainerSpec, Input, Metrics, Model, Output, container_component

from components.common.component import stage


@container_component
def calibrate(
    classifier: Input[Model],
    store: str,
    settings: dict,
    calibration: Output[Artifact],
    metrics: Output[Metrics],
) -> ContainerSpec:
    """Fit a temperature on held-out labels, so that a confidence of 0.9 is right nine times in ten."""
    return stage(
        "calibrate",
        image="train",
        classifier=classifier.path,
        store=store,
        settings=settings,
        calibration=calibration.path,
        metrics=metrics.path,
    )
