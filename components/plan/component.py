from kfp.dsl import ContainerSpec, OutputPath, container_component

from components.common.component import stage


@container_component
def plan(
    name: str,
    source: str,
    store: str,
    pretrain_epochs: int,
    sample_strategy: str,
    sample_train_budget: int,
    sample_label_access: str,
    sample_labels_file: str,
    release_promote: str,
    settings: dict,
    parts: OutputPath(list[dict]),  # type: ignore[valid-type]
    slices: OutputPath(list[dict]),  # type: ignore[valid-type]
    ingest: OutputPath(dict),  # type: ignore[valid-type]
    pretrain: OutputPath(dict),  # type: ignore[valid-type]
    sample: OutputPath(dict),  # type: ignore[valid-type]
    warmup: OutputPath(dict),  # type: ignore[valid-type]
    pseudolabel: OutputPath(dict),  # type: ignore[valid-type]
    calibrate: OutputPath(dict),  # type: ignore[valid-type]
    evaluate: OutputPath(dict),  # type: ignore[valid-type]
    release: OutputPath(dict),  # type: ignore[valid-type]
) -> ContainerSpec:
    """Check the whole form, tell every stage its settings, and list the source for workers that pack side by side."""
    return stage(
        "plan",
        image="data",
        name=name,
        source=source,
        store=store,
        pretrain_epochs=pretrain_epochs,
        sample_strategy=sample_strategy,
        sample_train_budget=sample_train_budget,
        sample_label_access=sample_label_access,
        sample_labels_file=sample_labels_file,
        release_promote=release_promote,
        settings=settings,
        parts=parts,
        slices=slices,
        ingest=ingest,
        pretrain=pretrain,
        sample=sample,
        warmup=warmup,
        pseudolabel=pseudolabel,
        calibrate=calibrate,
        evaluate=evaluate,
        release=release,
    )
