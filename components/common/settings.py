"""Settings that several stages share. Imports nothing heavy: configurations are validated before a pod starts."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Frozen, and strict about unknown keys: a typing mistake must not train for an hour."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _null_in_words(cls, values: Any) -> Any:
        """Parameters of a pipeline cannot hold null, so it travels as a word."""
        return (
            {key: None if value == "null" else value for key, value in values.items()}
            if isinstance(values, dict)
            else values
        )


class Augment(Settings):
    """Random changes of one image, each with a switch, since text must not be flipped and colour may be the class."""

    crop: Share = 0.4
    """Smallest share of the area that a random crop keeps; 1 switches cropping off."""
    aspect: Annotated[float, Field(ge=1)] = 1.33
    """Largest stretch of a crop's aspect ratio; 1 keeps it."""
    flip_horizontal: Share = 0.5
    """Probability; 0 for text, digits and anything with a left and a right."""
    flip_vertical: Share = 0.0
    """Probability; above 0 for aerial and microscope images."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest rotation, degrees either way."""
    brightness: Share = 0.4
    """Largest relative change."""
    contrast: Share = 0.4
    """Largest relative change."""
    saturation: Share = 0.4
    """Largest relative change; no effect on grey images."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.1
    """Largest turn of the colour circle; no effect on grey images."""
    greyscale: Share = 0.2
    """Probability of dropping colour, so that an encoder cannot live on colour alone."""
    blur: Share = 0.0
    """Probability of a Gaussian blur; for images of 96 pixels and more."""
    cutout: Share = 0.0
    """Largest share of the area that a grey square covers (DeVries and Taylor 2017)."""


Precision = Literal["auto", "bfloat16", "float32"]
"""`auto`: bfloat16 with channels_last where the processor computes in it (AMX, AVX512-BF16, a GPU), else float32."""
