from kfp.dsl import Artifact, ContainerSpec, Input, Metrics, Model, Output, container_component

from components.common.component import stage


@container_component
def warmup(
    encoder: Input[Model],
    embeddings: Input[Artifact],
    labels: Input[Artifact],
    store: str,
    settings: dict,
    warm: Output[Model],
    metrics: Output[Metrics],
) -> ContainerSpec:
    """Train a first classifier from the encoder and the labels: the head, then all weights."""
    return stage(
        "warmup",
        image="train",
        encoder=encoder.path,
        embeddings=embeddings.path,
        labels=labels.path,
        store=store,
        settings=settings,
        warm=warm.path,
        metrics=metrics.path,
    )
