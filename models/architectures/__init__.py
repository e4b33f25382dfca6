"""Networks that turn site features into spectra; every one holds the M members of an ensemble at once.

An architecture is one frozen object of hyper-parameters; `build` makes its network. Names and hyper-parameters that
do not exist fail, with the nearest one that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from whiteline.errors import MissingDependencyError, ParameterError, did_you_mean

try:
    import torch as _torch  # noqa: F401  # asked for here once, for every module that learns or predicts
except ImportError as error:
    raise MissingDependencyError("spectrum models need PyTorch: `pip install 'whiteline[learn]'`") from error

from whiteline.models.architectures.base import Architecture, Network, NetworkSizes
from whiteline.models.architectures.residual import ResidualBatchNorm, ResidualMLP
from whiteline.models.architectures.xas_block import PUBLISHED_WIDTHS, XASBlock

__all__ = [
    "ARCHITECTURES",
    "PUBLISHED_WIDTHS",
    "Architecture",
    "Network",
    "NetworkSizes",
    "ResidualBatchNorm",
    "ResidualMLP",
    "XASBlock",
    "make_architecture",
]

ARCHITECTURES: Final[Mapping[str, type[Architecture]]] = {
    each.NAME: each for each in (XASBlock, ResidualMLP, ResidualBatchNorm)
}


def make_architecture(name: str, **values: Any) -> Architecture:
    """Return the architecture of a name with the hyper-parameters given, defaults for the rest.

    >>> make_architecture("xas-block", widths=[300, 200]).widths
    (300, 200)
    >>> make_architecture("xas-block", droput=0.1)
    Traceback (most recent call last):
    ...
    whiteline.errors.ParameterError: xas-block has no hyper-parameter 'droput': did you mean 'dropout'?

    Raises:
        ParameterError: The name or a hyper-parameter is unknown, or a value is out of range.
    """
    if name not in ARCHITECTURES:
        raise ParameterError(f"unknown architecture {name!r}: {did_you_mean(name, ARCHITECTURES)}")
    kind = ARCHITECTURES[name]
    for key in values:
        if key not in kind.model_fields:
            raise ParameterError(f"{name} has no hyper-parameter {key!r}: {did_you_mean(key, kind.model_fields)}")
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ParameterError(f"{name}, hyper-parameter {place}: {first['msg']}, got {first['input']!r}") from error
