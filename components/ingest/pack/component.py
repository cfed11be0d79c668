from kfp.dsl import ContainerSpec, OutputPath, container_component

from components.common.component import stage


@container_component
def pack(source: str, name: str, store: str, settings: dict, packed: OutputPath(str)) -> ContainerSpec:  # type: ignore[valid-type]
    """Check, decode and pack one range of the listing into shards in the store."""
    return stage(
        "ingest.pack",
        image="data",
        source=source,
        name=name,
        store=store,
        settings=settings,
        packed=packed,
    )
