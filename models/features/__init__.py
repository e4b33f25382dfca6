"""Numbers that describe the sites of crystal structures, from pretrained networks and descriptors.

The names below are loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whiteline.models.features.cache import FeatureCache
    from whiteline.models.features.encoder import Encoder, list_encoders, make_encoder
    from whiteline.models.features.featurisation import Featurisation, featurise

__all__ = ["Encoder", "FeatureCache", "Featurisation", "featurise", "list_encoders", "make_encoder"]

_HOMES = {
    "Encoder": "encoder",
    "FeatureCache": "cache",
    "Featurisation": "featurisation",
    "featurise": "featurisation",
    "list_encoders": "encoder",
    "make_encoder": "encoder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'whiteline.models.features' has no attribute {name!r}")
    return getattr(import_module(f"whiteline.models.features.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
