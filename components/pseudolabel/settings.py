"""Settings of pseudolabel."""

from typing import Annotated

from pydantic import Field, model_validator

from components.common.settings import Augment, Count, Positive, Precision, Settings, Share


class PseudolabelSettings(Settings):
    """Pseudo-labels (Lee 2013) with soft targets, mixup and label smoothing against confirmation bias (Arazo et al.
    2020).
    """

    steps: Annotated[int, Field(ge=0)] = 400
    """Steps in all; 0 hands on the warm-up model."""
    t1: Share = 0.05
    """Share of the steps up to which unlabelled images weigh nothing (Lee's T1)."""
    t2: Share = 0.4
    """Share of the steps at which they reach their final weight (Lee's T2)."""
    unlabelled_weight: Annotated[float, Field(ge=0)] = 1.0
    """Final weight of the unlabelled loss (Lee's α_f)."""
    batch_size: Count = 64
    """Labelled images per step."""
    unlabelled_ratio: Count = 4
    """Unlabelled images per labelled one in a step."""
    threshold: Share = 0.6
    """A guess below this confidence does not teach."""
    target_temperature: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Sharpness of the soft targets: 1 leaves the guess as it is, towards 0 it becomes a hard label."""
    align: bool = True
    """Scale guesses so that classes come as often as the warm-up model finds them (distribution alignment): none drowns
    the others.
    """
    mixup: Annotated[float, Field(ge=0)] = 0.2
    """α of the Beta distribution that mixes pairs of images and targets; 0 switches it off."""
    label_smoothing: Share = 0.05
    """Share of each label's target spread over all classes."""
    ema_decay: Share = 0.99
    """Decay of the averaged weights that guess and that are handed on."""
    learning_rate: Positive = 1e-3
    """Peak, for AdamW."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-3
    checkpoints: Annotated[int, Field(ge=0, le=8)] = 0
    """Averaged weights of earlier steps that are kept beside the model, spread over the second half of training: the
    models of a second opinion (`evaluate.precise`). Each costs as much memory and disk as the model.
    """
    augment: Augment = Augment()
    precision: Precision = "auto"

    @model_validator(mode="after")
    def _ramp_rises(self) -> "PseudolabelSettings":
        if self.t1 > self.t2:
            raise ValueError(f"t1 ({self.t1}) must not exceed t2 ({self.t2})")
        return self
