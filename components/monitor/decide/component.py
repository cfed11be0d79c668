from kfp.dsl import Artifact, ContainerSpec, Input, Output, container_component

from components.common.component import stage


@container_component
def decide(
    release: str, drift: Input[Artifact], settings: dict, training: dict, decision: Output[Artifact]
) -> ContainerSpec:
    """Start the training pipeline where an alarm asks for it, once for each look, or say why not."""
    return stage(
        "monitor.decide",
        image="data",
        release=release,
        drift=drift.path,
        settings=settings,
        training=training,
        decision=decision.path,
    )
