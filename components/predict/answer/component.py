from kfp.dsl import ContainerSpec, OutputPath, container_component

from components.common.component import stage


@container_component
def answer(output: str, settings: dict, answered: OutputPath(str)) -> ContainerSpec:  # type: ignore[valid-type]
    """Classify the images of a range of parts; what is done already is not done again."""
    return stage("predict.answer", image="serve", output=output, settings=settings, answered=answered)
