from kfp.dsl import Artifact, ContainerSpec, Dataset, Input, Metrics, Model, Output, container_component

from components.common.component import stage


@container_component
def warmup(
    dataset: Input[Dataset],
    encoder: Input[Model],
    embeddings: Input[Artifact],
    labels: Input[Artifact],
    store: str,
    seed: int,
    threads: int,
    settings: dict,
    classifier: Output[Model],
    metrics: Output[Metrics],
) -> ContainerSpec:
    """Train a first classifier from the encoder and the labels: the head, then all weights."""
    return stage(
        "warmup",
        image="train",
        dataset=dataset.path,
        encoder=encoder.path,
        embeddings=embeddings.path,
        labels=labels.path,
        store=store,
        seed=seed,
        threads=threads,
        settings=settings,
        classifier=classifier.path,
        metrics=metrics.path,
    )
