from kfp.dsl import HTML, ContainerSpec, Dataset, Output, container_component

from components.common.component import stage


@container_component
def ingest(
    source: str,
    name: str,
    store: str,
    settings: dict,
    packed: list,
    dataset: Output[Dataset],
    report: Output[HTML],
) -> ContainerSpec:
    """Check, split and pack the images of a folder, S3 prefix, archive or table into content-addressed shards."""
    return stage(
        "ingest",
        image="data",
        source=source,
        name=name,
        store=store,
        settings=settings,
        dataset=dataset.path,
        report=report.path,
        packed=packed,
    )
