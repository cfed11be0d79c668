"""Settings of sample."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.common.settings import Count, Settings


class SampleSettings(Settings):
    """Whose labels to buy: training picks by the strategy, held-out picks at random, since a test set picked by a model
    is biased.
    """

    strategy: Literal["typiclust", "random"] = "typiclust"
    """typiclust (Hacohen et al. 2022): the most typical image of each cluster; best at few labels per class."""
    train_budget: Annotated[int, Field(ge=2)] = 200
    """Training picks."""
    validation_budget: Annotated[int, Field(ge=0)] = 50
    """Random picks that watch over training."""
    calibration_budget: Annotated[int, Field(ge=0)] = 100
    """Random picks for the temperature."""
    test_budget: Annotated[int, Field(ge=0)] | None = None
    """Random picks to measure on; null takes the whole test split, where labels cost nothing."""
    neighbours: Count = 20
    """k of typicality: the inverse mean distance to the k nearest neighbours in the cluster."""
    label_access: Literal["oracle", "source", "file"] = "oracle"
    """Who answers. `oracle`: the source's own labels, for the picks alone, as an experiment on a labelled set does;
    `source`: every label the source carries is already paid for; `file`: people, by `labels_file`."""
    labels_file: str | None = None
    """Path or s3:// URI of people's answers: a CSV with the columns id,label or Label Studio's export as JSON, JSON-MIN
    or CSV. With label_access: file and no file yet, the run succeeds and waits for labels of the candidates."""
    labels_version: str = ""
    """Names the state of labels_file, which each run fills in by its digest: new answers under an old name are seen."""

    @model_validator(mode="after")
    def _file_is_meant(self) -> "SampleSettings":
        if self.labels_file is not None and self.label_access != "file":
            raise ValueError(f"labels_file is read with label_access: file only, and it is {self.label_access!r}")
        return self
