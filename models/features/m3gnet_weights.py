"""Reading M3GNet's weights as matgl writes them, and knowing what its files do not say."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from pymatgen.core import Element

from whiteline.errors import ParameterError, ParseError
from whiteline.models.features.m3gnet_network import MessagesTo
from whiteline.models.pretrained import checksum, identify_weights

__all__ = ["M3GNetConfig", "M3GNetWeights", "read_m3gnet"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

# Between hydrogen and plutonium; the training data have no crystals of them.
_LEFT_OUT = {"Po", "At", "Rn", "Fr", "Ra"}


@dataclass(frozen=True)
class M3GNetConfig:
    """What the weights leave open.

    Attributes:
        elements: In the order of the rows of the embedding.
        cutoff: Longest edge [Å].
        threebody_cutoff: Reach of the three-body term [Å].
        n_blocks: Number of interaction blocks.
        max_n: Radial functions for each angular momentum, of which there are three.
    """

    elements: tuple[str, ...]
    cutoff: float = 5.0
    threebody_cutoff: float = 5.0
    n_blocks: int = 3
    max_n: int = 3

    @classmethod
    def from_card(cls, path: Path) -> M3GNetConfig:
        """Return the configuration that matgl wrote beside the weights as `model.json`.

        Raises:
            ParseError: It is no such file, or that of a network which is not evaluated here.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))["kwargs"]
            given = content["model"]["init_args"] if "model" in content else content
            config = cls(
                elements=tuple(str(symbol) for symbol in given["element_types"]),
                cutoff=float(given["cutoff"]),
                threebody_cutoff=float(given["threebody_cutoff"]),
                n_blocks=int(given["nblocks"]),
                max_n=int(given["max_n"]),
            )
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise ParseError(
                f"{path} does not describe an M3GNet as matgl writes it ({error!r}): fetch it again"
            ) from error
        expected = {
            "max_l": 3,
            "rbf_type": "SphericalBessel",
            "use_smooth": False,
            "use_phi": False,
            "include_state": False,
            "activation_type": "swish",
        }
        for key, value in expected.items():
            if given.get(key, value) != value:
                raise ParseError(f"{path}: {key} is {given[key]!r}, and only M3GNet with {value!r} is evaluated here")
        return config


# What goes with published weights: where they sum messages, and the rest of their card.
_PUBLISHED = {
    "M3GNet-MP-2021.2.8-PES": (
        MessagesTo.TARGET,
        M3GNetConfig(
            elements=tuple(Element.from_Z(z).symbol for z in range(1, 95) if Element.from_Z(z).symbol not in _LEFT_OUT)
        ),
    )
}


@dataclass(frozen=True, eq=False)
class M3GNetWeights:
    """Weights and all that is needed to evaluate them.

    Attributes:
        version: Names them in the id of features.
        digest: First 16 digits of the sha256 of their file.
        messages_to: Where they want messages to be summed.
        config: What they leave open.
        state: By matgl's names.
    """

    version: str
    digest: str
    messages_to: MessagesTo
    config: M3GNetConfig
    state: Mapping[str, Array] = field(repr=False)


def read_m3gnet(folder: Path, *, messages_to: MessagesTo | None = None) -> M3GNetWeights:
    """Return the weights in a folder, `model.json` and `state.pt` as matgl writes them.

    Nothing in the files says where messages are summed, so that this is known by the checksum of published weights
    only, or must be said.

    Args:
        folder: The folder.
        messages_to: For weights of one's own: `MessagesTo.SOURCE` where matgl 3 or later trained them, otherwise
            `MessagesTo.TARGET`.

    Raises:
        ParseError: A file is damaged or missing, or the weights are unknown and `messages_to` is not given.
        ParameterError: `messages_to` contradicts what is known of the weights.
    """
    card, path = folder / "model.json", folder / "state.pt"
    if not card.is_file() or not path.is_file():
        raise ParseError(f"{folder} lacks model.json or state.pt: give the folder that matgl wrote")
    config, digest = M3GNetConfig.from_card(card), checksum(path)
    known = identify_weights(digest)
    if known is None:
        if messages_to is None:
            raise ParseError(
                f"{path} is none of the weights known here (its sha256 begins with {digest[:16]}): it is damaged, or "
                "was trained by somebody else. M3GNet's messages changed direction in matgl 3, which no file tells: "
                "read weights of your own by load_m3gnet with messages_to='source' if matgl 3 or later trained them, "
                "else 'target'"
            )
        convention, version = MessagesTo(messages_to), f"{folder.name}-to-{messages_to}"
    else:
        convention, published = _PUBLISHED[known.name]
        version = known.name.removeprefix("M3GNet-")
        if messages_to not in (None, convention):
            raise ParameterError(f"{known.name} sums messages at the {convention}: leave messages_to out")
        if config != published:
            raise ParseError(f"{card} was edited: it is not that of {known.name}, fetch it again")
    return M3GNetWeights(
        version=version, digest=digest[:16], messages_to=convention, config=config, state=_read_state(path)
    )


def _read_state(path: Path) -> dict[str, Array]:
    """Return the weights of the network by matgl's names, those of a potential around it without its prefix."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        arrays = {str(name).removeprefix("model."): np.asarray(tensor) for name, tensor in state.items()}
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, ValueError) as error:
        raise ParseError(f"{path} holds no weights that can be read safely ({error}): fetch it again") from error
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ParseError(f"{path}: {name} holds values that are not finite: fetch it again")
    return arrays
