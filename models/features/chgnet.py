"""Features from CHGNet, a graph network pretrained on energies, forces, stresses and magnetic moments.

Its weights come with the package `chgnet`, so that nothing needs to be fetched (doi:10.1038/s42256-023-00716-3).
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from chgnet.graph import CrystalGraph
from chgnet.model import CHGNet
from pymatgen.core import Element

from whiteline.errors import InputError, ParameterError, ParseError, StructureError, did_you_mean
from whiteline.models.features.checks import check_features, check_input
from whiteline.models.features.chgnet_graph import bond_graph
from whiteline.models.features.encoder import SiteFeatures
from whiteline.models.pretrained import checksum

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["CHGNetEncoder", "make_chgnet"]

VERSION = "0.3.0"
_FILE = "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar"
_SHA256 = "d14ab7c0f093efe64b60a7bcd540bca10e74fb7f46c86108a079af60524659d1"
# Length of each block.
BLOCKS = {"conv_3": 64, "conv_4": 64, "magmom": 1}
_N_ELEMENTS = 94
# Structures that a GPU evaluates together; a processor takes them one by one, see m3gnet.
_STRUCTURES_ON_GPU = 64


@dataclass(frozen=True)
class CHGNetEncoder:
    """CHGNet's atom features.

    Attributes:
        blocks: Which features, in this order. `conv_3` are those after the third of four convolutions, from which the
            network reads magnetic moments; `conv_4` those after the last and its normalisation, from which it reads
            energies; `magmom` is the size of the magnetic moment [µB].
        device: Where torch computes.
    """

    blocks: tuple[str, ...] = tuple(BLOCKS)
    device: str = "cpu"

    def __post_init__(self) -> None:
        if not self.blocks or len(set(self.blocks)) < len(self.blocks):
            raise ParameterError(f"blocks {self.blocks} must be one or more, each once: known are {', '.join(BLOCKS)}")
        for block in self.blocks:
            if block not in BLOCKS:
                raise ParameterError(f"CHGNet has no block {block!r}: {did_you_mean(block, BLOCKS)}")

    @property
    def id(self) -> str:
        """Name, version, blocks and checksum of the weights."""
        return f"chgnet:{VERSION}:{'+'.join(block.replace('_', '') for block in self.blocks)}:{_SHA256[:16]}"

    @property
    def n_features(self) -> int:
        """Length of the features of a site."""
        return sum(BLOCKS[block] for block in self.blocks)

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of the elements from hydrogen to plutonium, which the embedding has a row for."""
        return frozenset(Element.from_Z(z).symbol for z in range(1, _N_ELEMENTS + 1))

    def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[SiteFeatures]:
        """Return the features of some sites of each structure, shapes (n_site, n_feature).

        Raises:
            StructureError: An unknown element, a partially occupied site, a site that is not there, or an atom without
                a neighbour within 6 Å, which the network never saw.
            InputError: A structure is too large for the memory of the GPU.
        """
        check_input(structures, sites, self.elements)
        n_together = 1 if self.device == "cpu" else _STRUCTURES_ON_GPU
        atoms: list[SiteFeatures] = []
        for start in range(0, len(structures), n_together):
            together = enumerate(structures[start : start + n_together], start)
            atoms += self._evaluate([self._graph(structure, i) for i, structure in together])
        return check_features([rows[list(wanted)] for rows, wanted in zip(atoms, sites, strict=True)], structures)

    def _graph(self, structure: Structure, i_structure: int) -> CrystalGraph:
        """Return a structure as CHGNet reads it."""
        converter = self._network.graph_converter
        cutoff, angle_cutoff = converter.atom_graph_cutoff, converter.bond_graph_cutoff
        graph = bond_graph(structure, cutoff=cutoff, angle_cutoff=angle_cutoff)
        if len(set(graph.bonds[:, 0])) < len(structure):
            raise StructureError(
                f"structure {i_structure} ({structure.composition.reduced_formula}): an atom has no neighbour within "
                f"{cutoff:g} Å, and CHGNet knows no such atoms: take m3gnet, or leave the structure out"
            )
        return CrystalGraph(
            atomic_number=torch.tensor([site.specie.Z for site in structure], dtype=torch.int32),
            atom_frac_coord=torch.tensor(structure.frac_coords, dtype=torch.float32),
            atom_graph=torch.from_numpy(graph.bonds.astype(np.int32)),
            neighbor_image=torch.from_numpy(graph.images.astype(np.float32)),
            directed2undirected=torch.from_numpy(graph.undirected.astype(np.int32)),
            undirected2directed=torch.from_numpy(graph.directed.astype(np.int32)),
            bond_graph=torch.from_numpy(graph.angles.astype(np.int32)),
            lattice=torch.tensor(structure.lattice.matrix, dtype=torch.float32),
            atom_graph_cutoff=cutoff,
            bond_graph_cutoff=angle_cutoff,
        )

    def _evaluate(self, graphs: list[CrystalGraph]) -> list[SiteFeatures]:
        """Return the features of all atoms of graphs evaluated together, or in halves where memory is short."""
        try:
            return self._evaluate_together(graphs)
        except torch.OutOfMemoryError as error:
            if len(graphs) == 1:
                raise InputError(
                    f"a structure with {len(graphs[0].atomic_number)} atoms needs more memory than {self.device} has: "
                    "encode it with device='cpu'"
                ) from error
        half = len(graphs) // 2
        return self._evaluate(graphs[:half]) + self._evaluate(graphs[half:])

    def _evaluate_together(self, graphs: list[CrystalGraph]) -> list[SiteFeatures]:
        last: list[torch.Tensor] = []
        network = self._network
        hook = network.readout_norm.register_forward_hook(lambda _module, _inputs, output: last.append(output))
        try:
            with torch.no_grad():
                answer = network([graph.to(self.device) for graph in graphs], task="em", return_atom_feas=True)
        finally:
            hook.remove()
        found = {
            "conv_3": torch.cat(list(answer["atom_fea"])),
            "conv_4": last[0],
            "magmom": torch.cat(list(answer["m"]))[:, None],
        }
        chosen = torch.cat([found[block] for block in self.blocks], dim=1).cpu().numpy()
        return np.split(chosen, np.cumsum([len(graph.atomic_number) for graph in graphs])[:-1])

    @cached_property
    def _network(self) -> Any:
        return _load_network().to(self.device)

    def __getstate__(self) -> dict[str, Any]:
        # The weights are read again by the process that this goes to.
        return {name: value for name, value in self.__dict__.items() if name != "_network"}


def make_chgnet(*, blocks: Sequence[str] | None = None, device: str | None = None) -> CHGNetEncoder:
    """Return the encoder for `whiteline.models.features.make_encoder`, which documents the arguments."""
    return CHGNetEncoder(blocks=tuple(BLOCKS if blocks is None else blocks), device=device or "cpu")


def _load_network() -> Any:
    """Return the network with the weights of the installed package."""
    path = Path(str(files("chgnet"))) / _FILE
    if not path.is_file() or checksum(path) != _SHA256:
        raise ParseError(
            f"{path} is not CHGNet {VERSION} as published (sha256 {_SHA256[:16]}…): install it again, "
            "`pip install --force-reinstall 'chgnet>=0.4'`"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)["model"]
    except (pickle.UnpicklingError, RuntimeError, KeyError) as error:
        raise ParseError(f"{path} cannot be read safely ({error}): install chgnet again") from error
    with redirect_stdout(StringIO()):  # it announces itself
        network = CHGNet(**content["model_args"], mlp_out_bias=False, version=VERSION)
    network.load_state_dict(content["state_dict"])
    return network.eval()
