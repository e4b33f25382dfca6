"""How a model is trained: what changes its numbers, and apart from it, where it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from whiteline.errors import ParameterError, did_you_mean

__all__ = ["Hardware", "TrainingParameters"]


class TrainingParameters(BaseModel):
    """What decides the weights, beside data, architecture and seeds.

    Attributes:
        n_epochs: Passes through the training part.
        batch_size: Samples of one step, about: an epoch is divided into batches of equal size.
        learning_rate: Largest learning rate of Adam.
        weight_decay: Decoupled weight decay (AdamW, arXiv:1711.05101).
        schedule: `one-cycle` rises for three tenths of the steps and falls for the rest, by cosines
            (arXiv:1708.07120); `constant` stays.
        loss: `mse` mean square error; `rmse` mean over spectra of the root of it, which outliers sway less; `mae`.
        patience: Epochs without a better validation loss after which a member stops; None trains all epochs.
        validate_every: Epochs between two looks at the validation part.
        n_frozen: So many first stages of the network keep the weights they start with.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    loss: Literal["mse", "rmse", "mae"] = "rmse"
    patience: int | None = Field(default=None, ge=1)
    validate_every: int = Field(default=1, ge=1)
    n_frozen: int = Field(default=0, ge=0)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return the parameters with some values set.

        >>> TrainingParameters.of(n_epochs=10).n_epochs
        10
        >>> TrainingParameters.of(epochs=10)
        Traceback (most recent call last):
        ...
        whiteline.errors.ParameterError: training has no parameter 'epochs': did you mean 'n_epochs'?

        Raises:
            ParameterError: A name is unknown or a value out of range.
        """
        for name in values:
            if name not in cls.model_fields:
                raise ParameterError(f"training has no parameter {name!r}: {did_you_mean(name, cls.model_fields)}")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ParameterError(f"training, parameter {place}: {first['msg']}, got {first['input']!r}") from error

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return self.model_dump(mode="json")


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Where training runs. The members of an ensemble are divided over several devices.

    Attributes:
        accelerator: `cpu`, `cuda`, or `auto` for what there is.
        n_devices: Number of devices; one process each.
        precision: `32-true`, or `bf16-mixed` for mixed precision.
    """

    accelerator: str = "auto"
    n_devices: int = 1
    precision: Literal["32-true", "bf16-mixed"] = "32-true"

    def __post_init__(self) -> None:
        if self.accelerator not in (known := ("auto", "cpu", "cuda")):
            raise ParameterError(f"unknown accelerator {self.accelerator!r}: {did_you_mean(self.accelerator, known)}")
        if self.n_devices < 1:
            raise ParameterError(f"training runs on 1 device or more, got {self.n_devices}")
