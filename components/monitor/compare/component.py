from kfp.dsl import Artifact, ContainerSpec, Input, Output, container_component

from components.common.component import stage


@container_component
def compare(release: str, observed: Input[Artifact], settings: dict, drift: Output[Artifact]) -> ContainerSpec:
    """Test what was observed for drift from the reference, and name the images that are new."""
    return stage(
        "monitor.compare", image="data", release=release, observed=observed.path, settings=settings, drift=drift.path
    )
