from kfp.dsl import ContainerSpec, Input, Model, OutputPath, container_component

from components.common.component import stage


@container_component
def embed(encoder: Input[Model], name: str, store: str, settings: dict, embedded: OutputPath(str)) -> ContainerSpec:  # type: ignore[valid-type]
    """Embed one slice of the images, and keep it in the store for sample to join."""
    return stage(
        "sample.embed",
        image="train",
        encoder=encoder.path,
        name=name,
        store=store,
        settings=settings,
        embedded=embedded,
    )
