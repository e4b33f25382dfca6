"""The content hash that names a model: of its weights and everything that turns them into spectra."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whiteline.models.model import SpectrumModel

__all__ = ["model_sha256"]


def model_sha256(model: SpectrumModel) -> str:
    """Return the sha256 of architecture, weights, scaling, channels, axis, unit and encoder, and of what it corrects.

    Card, bands and training features are left out: a model stays the same when more becomes known of it.
    """
    described = {
        "architecture": model.architecture.to_dict(),
        "channels": [list(channel) for channel in model.channels],
        "subjects": list(model.conditions.subjects),
        "fidelities": list(model.conditions.fidelities),
        "unit": model.unit,
        "encoder": model.encoder,
        "delta": None
        if model.delta is None
        else [
            model.delta.source.sha256,
            model.delta.fidelity,
            [model.delta.slopes[channel] for channel in model.channels],
        ],
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    scaling = model.scaling
    arrays = (scaling.feature_mean, scaling.feature_sd, scaling.zeros, scaling.offsets, scaling.scales, model.points)
    for array in arrays:
        digest.update(array.astype("<f8").tobytes())
    for name in sorted(model.weights):
        digest.update(name.encode())
        digest.update(model.weights[name].numpy().tobytes())
    return digest.hexdigest()
