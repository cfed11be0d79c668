from kfp.dsl import Artifact, ContainerSpec, Output, container_component

from components.common.component import stage


@container_component
def predict(output: str, settings: dict, answered: list, predictions: Output[Artifact]) -> ContainerSpec:
    """Join what the workers have answered to one table, in the order of the images."""
    return stage(
        "predict",
        image="serve",
        output=output,
        settings=settings,
        predictions=predictions.path,
        answered=answered,
    )
