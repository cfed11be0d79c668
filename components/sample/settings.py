"""Settings of sample."""

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from components.common.settings import Count, Settings, Share

Cold = Literal["typiclust", "random", "kmeans", "kcenter", "probcover", "maxherding"]
Warm = Literal["margin", "entropy", "bald", "badge", "tcm"]
Strategy = Literal[Cold, Warm]
COLD: tuple[str, ...] = get_args(Cold)
WARM: tuple[str, ...] = get_args(Warm)


class SampleSettings(Settings):
    """Whose labels to buy: training picks by the strategy, held-out picks at random, since a test set picked by a model
    is biased.
    """

    strategy: Strategy = "typiclust"
    """How training picks are chosen. From embeddings alone: `typiclust` (the most typical image of each cluster; best
    at few labels per class), `probcover`, `maxherding`, `kmeans`, `kcenter`, `random`. With a classifier fitted to the
    labels at hand: `margin`, `entropy`, `bald`, `badge`; `tcm` goes from typicality to margin as labels grow."""
    ensemble: dict[Strategy, Annotated[float, Field(gt=0)]] = Field(default={})
    """Splits the training picks among strategies by these shares, in place of `strategy`: {typiclust: 0.8, random: 0.2}
    lets chance always have some."""
    balance: bool = False
    """Spread the picks evenly over the classes that a weak classifier predicts, so that rare ones are found; from the
    first round with labels on."""
    propagate: bool = False
    """Give labels to near neighbours of labelled images too, with a weight; counted apart, never held out."""
    train_budget: Annotated[int, Field(ge=2)] = 200
    """Training picks, of all rounds together."""
    round_size: Annotated[int, Field(ge=1)] | None = None
    """Training picks of one round of labelling; null asks for all that the budget has left."""
    validation_budget: Annotated[int, Field(ge=0)] = 50
    """Random picks that watch over training."""
    calibration_budget: Annotated[int, Field(ge=0)] = 100
    """Random picks for the temperature."""
    test_budget: Annotated[int, Field(ge=0)] | None = None
    """Random picks to measure on; null takes the whole test split, where labels cost nothing."""
    neighbours: Count = 20
    """k of typicality: the inverse mean distance to the k nearest neighbours in the cluster."""
    workers: Count = 1
    """Tasks that embed the images side by side."""
    label_access: Literal["oracle", "source", "file", "store"] = "oracle"
    """Who answers. `oracle`: the source's own labels, for the picks alone, as an experiment on a labelled set does;
    `source`: every label the source carries is already paid for; `store`: people, through `gleaner label` and `gleaner
    labels import`, round after round; `file`: people, by `labels_file`."""
    labels_file: str | None = None
    """Path or s3:// URI of people's answers: a CSV with the columns id,label or Label Studio's export as JSON, JSON-MIN
    or CSV. With label_access: file and no file yet, the run succeeds and waits for labels of the candidates."""
    labels_version: str = ""
    """Names the state of labels_file or of the label store, which each run fills in: new answers are seen."""
    contradictions: Literal["majority", "latest"] = "majority"
    """Which answer holds where people disagree: what more of them say than anything else (the image stays open, and is
    asked first, where two are said equally often), or what was said last."""
    candidates_from: str | None = None
    """Path or s3:// URI of a table (CSV or Parquet) with the column `id` and perhaps `reason`: training picks are taken
    among these images, such as those that a release was unsure of."""
    candidates_version: str = ""
    """Names the state of candidates_from, which each run fills in by its digest."""
    new_since: str = ""
    """Id of an earlier version of the dataset, such as the one that the model in production learned from: among images
    that came after it each held-out split has a random draw of its own, which stays drawn in later runs."""
    new_share: Share = 0.3
    """Size of that draw, as a share of the split's budget, beside which it is asked for."""
    draws: list[str] = Field(default=[])
    """Keys of earlier such draws in the store; each run fills them in."""

    second_opinion: Share = 0.3
    """Share of a round's training picks, at most, that are taken first among the images on which the second opinion of
    the round before (evaluate.precise) surely disagrees with its model; with label_access: store."""
    opinion: str = ""
    """Key of that second opinion in the store; each run fills it in."""

    @model_validator(mode="after")
    def _file_is_meant(self) -> "SampleSettings":
        if self.labels_file is not None and self.label_access != "file":
            raise ValueError(f"labels_file is read with label_access: file only, and it is {self.label_access!r}")
        return self
