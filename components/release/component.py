from kfp.dsl import Artifact, ContainerSpec, Input, Model, Output, container_component

from components.common.component import stage


@container_component
def release(
    classifier: Input[Model],
    calibration: Input[Artifact],
    evaluation: Input[Artifact],
    name: str,
    store: str,
    settings: dict,
    release: Output[Artifact],
) -> ContainerSpec:
    """Publish an immutable bundle and move the champion pointer if every gate passes; else record why not."""
    return stage(
        "release",
        image="data",
        classifier=classifier.path,
        calibration=calibration.path,
        evaluation=evaluation.path,
        name=name,
        store=store,
        settings=settings,
        release=release.path,
    )
