from kfp.dsl import ContainerSpec, OutputPath, container_component

from components.common.component import stage


@container_component
def split(
    release: str,
    images: str,
    output: str,
    workers: int,
    settings: dict,
    parts: OutputPath(list[dict]),  # type: ignore[valid-type]
) -> ContainerSpec:
    """Verify the release, list the images, and share them out to workers that answer side by side."""
    return stage(
        "predict.split",
        image="serve",
        release=release,
        images=images,
        output=output,
        workers=workers,
        settings=settings,
        parts=parts,
    )
