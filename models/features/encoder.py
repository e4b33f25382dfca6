"""What turns crystal structures into numbers at their sites, and the door through which each kind comes in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from jaxtyping import Float32

from whiteline.errors import MissingDependencyError, ParameterError, did_you_mean

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = [
    "ENCODER_PLUGINS",
    "Encoder",
    "SiteFeatures",
    "list_encoders",
    "make_encoder",
]

SiteFeatures: TypeAlias = Float32[np.ndarray[Any, np.dtype[np.float32]], "site feature"]

# Entry points of this group come in beside the encoders of the house; see `make_encoder`.
ENCODER_PLUGINS = "whiteline.encoders"

# Module and function that make each encoder; the modules load heavy packages.
_HOMES = {
    "m3gnet": ("whiteline.models.features.m3gnet", "make_m3gnet"),
    "chgnet": ("whiteline.models.features.chgnet", "make_chgnet"),
    "soap": ("whiteline.models.features.descriptors", "make_soap"),
    "acsf": ("whiteline.models.features.descriptors", "make_acsf"),
}
_PACKAGES = {"torch", "chgnet", "dscribe"}


class Encoder(Protocol):
    """A fixed function from a crystal structure to numbers at its sites.

    The features of a site do not depend on the cell that the crystal is given in, on the order of the atoms, or on
    what else is encoded in the same call. An encoder survives pickling, which takes it to other processes.
    """

    @property
    def id(self) -> str:
        """Name, version, blocks and checksum of weights: equal ids mean equal features."""

    @property
    def n_features(self) -> int:
        """Length of the features of a site."""

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of the elements that it knows."""

    def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[SiteFeatures]:
        """Return the features of some sites of each structure, shapes (n_site, n_feature).

        Args:
            structures: Ordered crystals.
            sites: Indices of the wanted sites of each, in the order of the rows.

        Raises:
            StructureError: An unknown element, a partially occupied site, or a site that is not there.
        """


def make_encoder(
    name: str,
    *,
    blocks: Sequence[str] | None = None,
    weights: Path | None = None,
    elements: Sequence[str] | None = None,
    device: str | None = None,
) -> Encoder:
    """Return the encoder of a name, or several joined by `+`, as in `m3gnet+chgnet`: their features side by side.

    A package adds an encoder by an entry point in the group `whiteline.encoders`. It names a function that returns an
    `Encoder`, and whose keyword parameters are the options below that it takes:

        [project.entry-points."whiteline.encoders"]
        mace = "my_package.encoder:make_mace"

    Args:
        name: `m3gnet`, `chgnet`, `soap`, `acsf` or that of a plug-in.
        blocks: Which layers to take the features from, in this order; each encoder has its default.
        weights: Folder with pretrained weights. Searched for when None, never downloaded.
        elements: Elements that there may be, for descriptors: their length depends on it.
        device: Where torch computes, e.g. `cuda`; the processor when None.

    Raises:
        ParameterError: An unknown name, or an option that the encoder does not take or lacks.
        MissingDependencyError: A package or the weights are not there; the message says how to get them.
    """
    given = {
        key: value
        for key, value in {"blocks": blocks, "weights": weights, "elements": elements, "device": device}.items()
        if value is not None
    }
    names = name.split("+")
    makers = {part: _find_maker(part) for part in names}
    if len(makers) < len(names):
        raise ParameterError(f"the encoder {name!r} names the same features twice: name each once")
    if blocks is not None and len(names) > 1:
        raise ParameterError(f"blocks belong to one encoder, and {name!r} joins {len(names)}: leave them out")
    for option in given:
        if not any(option in _options(maker) for maker in makers.values()):
            raise ParameterError(f"the encoder {name!r} takes no {option}: leave it out")
    made = [_make(part, maker, given) for part, maker in makers.items()]
    if len(made) == 1:
        return made[0]
    from whiteline.models.features.concatenated import ConcatenatedEncoder

    return ConcatenatedEncoder(tuple(made))


def list_encoders() -> list[str]:
    """Return the names that `make_encoder` knows: those of the house, then those of plug-ins."""
    return [*_HOMES, *sorted(point.name for point in entry_points(group=ENCODER_PLUGINS))]


def _find_maker(name: str) -> Callable[..., Encoder]:
    if name in _HOMES:
        return _load(name)
    for point in entry_points(group=ENCODER_PLUGINS):
        if point.name == name:
            maker: Callable[..., Encoder] = point.load()
            return maker
    raise ParameterError(f"unknown encoder {name!r}: {did_you_mean(name, list_encoders())}")


def _load(name: str) -> Callable[..., Encoder]:
    module, function = _HOMES[name]
    try:
        maker: Callable[..., Encoder] = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _PACKAGES:
            raise
        raise MissingDependencyError(
            f"{name} features need the package {package}: `pip install 'whiteline[learn]'`"
        ) from error
    return maker


def _options(maker: Callable[..., Encoder]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(maker).parameters)


def _make(name: str, maker: Callable[..., Encoder], given: dict[str, Any]) -> Encoder:
    options = _options(maker)
    for option, parameter in options.items():
        if parameter.default is parameter.empty and option not in given:
            raise ParameterError(f"the encoder {name!r} needs {option}: give {option}=…")
    return maker(**{option: value for option, value in given.items() if option in options})
