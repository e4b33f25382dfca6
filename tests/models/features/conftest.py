"""Crystals and weights that the tests of features share."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from whiteline.models.features.m3gnet import M3GNetEncoder, load_m3gnet
from whiteline.models.features.m3gnet_network import MessagesTo


def scheelite_like() -> Structure:
    """Return a low-symmetry crystal of three elements, none of whose atoms lies at a centre of inversion."""
    lattice = Lattice.from_parameters(5.1, 5.6, 6.3, 82.0, 95.0, 104.0)
    places = [[0.02, 0.05, 0.01], [0.51, 0.47, 0.55], [0.31, 0.74, 0.22], [0.68, 0.21, 0.41], [0.12, 0.38, 0.72]]
    return Structure(lattice, ["Cu", "Ti", "O", "O", "O"], places)


@pytest.fixture
def crystal() -> Structure:
    """A crystal without symmetry."""
    return scheelite_like()


@dataclass(frozen=True)
class RandomM3GNet:
    """matgl's own network with random weights, and the folder that matgl wrote it to."""

    network: Any
    folder: Path

    def encoder(self, messages_to: MessagesTo, **options: Any) -> M3GNetEncoder:
        """Return our encoder with the same weights."""
        return load_m3gnet(self.folder, messages_to=messages_to, **options)


@pytest.fixture(scope="session")
def random_m3gnet(tmp_path_factory: pytest.TempPathFactory) -> RandomM3GNet:
    """M3GNet of three elements whose reach of angles is shorter than that of bonds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that matgl loads
        from matgl.models import M3GNet
    torch.manual_seed(7)
    network = M3GNet(element_types=("O", "Ti", "Cu"), is_intensive=False, cutoff=5.0, threebody_cutoff=4.0)
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if name.endswith("weight") and "embedding" not in name:
                weights.mul_(2.0)  # so that every term counts
    folder = tmp_path_factory.mktemp("weights") / "random"
    network.save(folder)
    return RandomM3GNet(network.eval(), folder)


@pytest.fixture(scope="session")
def published(data: Path) -> list[dict[str, Any]]:
    """Sites with the features that the authors of OmniXAS published."""
    found: list[dict[str, Any]] = json.loads((data / "m3gnet" / "published-sites.json").read_text(encoding="utf-8"))
    return [
        {**row, "structure": Structure.from_dict(row["structure"]), "features": np.array(row["features"])}
        for row in found
    ]
