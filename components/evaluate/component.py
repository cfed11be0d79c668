from kfp.dsl import (
    HTML,
    Artifact,
    ClassificationMetrics,
    ContainerSpec,
    Input,
    Metrics,
    Model,
    Output,
    container_component,
)

from components.common.component import stage


@container_component
def evaluate(
    embeddings: Input[Artifact],
    warm: Input[Model],
    classifier: Input[Model],
    calibration: Input[Artifact],
    store: str,
    settings: dict,
    evaluation: Output[Artifact],
    report: Output[HTML],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
) -> ContainerSpec:
    """Measure on the test split: a report to read and gates for the release."""
    return stage(
        "evaluate",
        image="report",
        embeddings=embeddings.path,
        warm=warm.path,
        classifier=classifier.path,
        calibration=calibration.path,
        store=store,
        settings=settings,
        evaluation=evaluation.path,
        report=report.path,
        metrics=metrics.path,
        confusion=confusion.path,
    )
