from kfp.dsl import ContainerSpec, Dataset, Input, Metrics, Model, Output, container_component

from components.common.component import stage


@container_component
def pretrain(
    dataset: Input[Dataset],
    store: str,
    settings: dict,
    encoder: Output[Model],
    metrics: Output[Metrics],
) -> ContainerSpec:
    """Learn an encoder from the unlabelled train split with SimCLR."""
    return stage(
        "pretrain",
        image="train",
        dataset=dataset.path,
        store=store,
        settings=settings,
        encoder=encoder.path,
        metrics=metrics.path,
    )
