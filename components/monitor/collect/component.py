from kfp.dsl import Artifact, ContainerSpec, Output, container_component

from components.common.component import stage


@container_component
def collect(release: str, source: str, settings: dict, observed: Output[Artifact]) -> ContainerSpec:
    """Take what the release answered since the last look, or have it answer for images, beside its reference."""
    return stage(
        "monitor.collect", image="serve", release=release, source=source, settings=settings, observed=observed.path
    )
