from kfp.dsl import ContainerSpec, OutputPath, container_component

from components.common.component import stage


@container_component
def plan(
    source: str,
    source_version: str,
    name: str,
    store: str,
    settings: dict,
    parts: OutputPath(list),  # type: ignore[valid-type]
) -> ContainerSpec:
    """List the source once, and cut it into ranges that `workers` tasks pack side by side."""
    return stage(
        "ingest.plan",
        image="data",
        source=source,
        source_version=source_version,
        name=name,
        store=store,
        settings=settings,
        parts=parts,
    )
