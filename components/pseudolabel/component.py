from kfp.dsl import ContainerSpec, Input, Metrics, Model, Output, container_component

from components.common.component import stage


@container_component
def pseudolabel(
    warm: Input[Model],
    store: str,
    settings: dict,
    classifier: Output[Model],
    metrics: Output[Metrics],
) -> ContainerSpec:
    """Train on confident guesses about the unlabelled images; never hand on less than the warm-up model."""
    return stage(
        "pseudolabel",
        image="train",
        warm=warm.path,
        store=store,
        settings=settings,
        classifier=classifier.path,
        metrics=metrics.path,
    )
