"""Which encoder is meant, in words that a model's card can keep, and the features of many sites with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from monty.json import MSONable

from whiteline.errors import InputError

if TYPE_CHECKING:
    from whiteline.models.features import Encoder
    from whiteline.models.model import SpectrumModel

__all__ = ["DEFAULT_ENCODER", "EncoderChoice", "encoder_of_model"]

DEFAULT_ENCODER: Final = "chgnet"
# Encoders whose features depend on which elements there may be.
_NEED_ELEMENTS: Final = frozenset({"soap", "acsf"})
# Key of a card's lineage under which the choice stands.
_KEY: Final = "encoder_choice"


@dataclass(frozen=True)
class EncoderChoice(MSONable):
    """What `models.features.make_encoder` is given; a model keeps it, since an id alone makes no encoder.

    Attributes:
        name: `chgnet`, `m3gnet`, `soap`, `acsf`, a plug-in, or several joined by `+`.
        blocks: Layers that the features are taken from; the encoder's own choice when empty.
        elements: Elements that there may be, for descriptors.
        weights: Folder with pretrained weights; searched for when empty. No part of what a model keeps.
    """

    name: str = DEFAULT_ENCODER
    blocks: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    weights: str = ""

    def __post_init__(self) -> None:
        # A job that comes back from JSON carries lists.
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "elements", tuple(self.elements))

    @property
    def needs_elements(self) -> bool:
        """Whether the elements have to be known before there is an encoder."""
        return bool(_NEED_ELEMENTS & set(self.name.split("+"))) and not self.elements

    def with_elements(self, elements: Iterable[str]) -> Self:
        """Return the choice with the elements that it lacks; unchanged where it lacks none."""
        return replace(self, elements=tuple(sorted(set(elements)))) if self.needs_elements else self

    def make(self, *, device: str | None = None) -> Encoder:
        """Return the encoder.

        Args:
            device: Where torch computes; the processor when None.

        Raises:
            ParameterError: An unknown name, or an option that the encoder does not take or lacks.
            MissingDependencyError: A package or the weights are not there.
        """
        from whiteline.models.features import make_encoder

        if set(self.name.split("+")) <= _NEED_ELEMENTS:
            device = None  # descriptors know one device only
        return make_encoder(
            self.name,
            blocks=self.blocks or None,
            weights=Path(self.weights) if self.weights else None,
            elements=self.elements or None,
            device=device,
        )

    def lineage(self) -> dict[str, Any]:
        """Return what a card keeps of it; `encoder_of_model` reads it."""
        return {_KEY: {"name": self.name, "blocks": list(self.blocks), "elements": list(self.elements)}}

    @classmethod
    def of_lineage(cls, lineage: Mapping[str, Any]) -> Self | None:
        """Return the choice that a card's lineage keeps, or None."""
        kept = lineage.get(_KEY)
        return None if kept is None else cls(kept["name"], tuple(kept["blocks"]), tuple(kept["elements"]))


def encoder_of_model(model: SpectrumModel, *, weights: str = "", device: str | None = None) -> Encoder:
    """Return the encoder whose features a model takes.

    Args:
        model: The model.
        weights: Folder with the pretrained weights of the encoder; searched for when empty.
        device: Where torch computes; the processor when None.

    Raises:
        InputError: The card does not say which encoder it is, or the one made here has other weights.
        MissingDependencyError: A package or the weights are not there.
    """
    kept = EncoderChoice.of_lineage(model.card.lineage)
    if kept is None:
        raise InputError(
            f"the card of the model does not say how its features ({model.encoder or 'of an unknown encoder'}) are "
            "made: predict from features with SpectrumModel.predict, or train a model with `whiteline train`"
        )
    encoder = replace(kept, weights=weights).make(device=device)
    if model.encoder and encoder.id != model.encoder:
        raise InputError(
            f"the model was trained on features of {model.encoder}, and the encoder here is {encoder.id}: install the "
            "same version and weights (`whiteline models fetch`)"
        )
    return encoder
