from kfp.dsl import HTML, Artifact, ContainerSpec, Input, Model, Output, container_component

from components.common.component import stage


@container_component
def sample(
    encoder: Input[Model],
    name: str,
    store: str,
    settings: dict,
    embedded: list,
    embeddings: Output[Artifact],
    candidates: Output[Artifact],
    labels: Output[Artifact],
    contact_sheet: Output[HTML],
) -> ContainerSpec:
    """Join the embeddings and pick the few images whose labels teach most."""
    return stage(
        "sample",
        image="train",
        encoder=encoder.path,
        name=name,
        store=store,
        settings=settings,
        embeddings=embeddings.path,
        candidates=candidates.path,
        labels=labels.path,
        contact_sheet=contact_sheet.path,
        embedded=embedded,
    )
