"""Features from M3GNet, a graph network pretrained on energies and forces (doi:10.1038/s43588-022-00349-3).

The weights are read as tensors and evaluated by `m3gnet_blocks`; matgl is not needed for it. After every block the
network has 64 numbers for every atom. Those of the last block are the published OmniXAS features (arXiv:2409.19552,
there times 1000); the default takes all three blocks, with which errors of spectra are a tenth smaller. The embedding
is the same for all atoms of an element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from whiteline.errors import InputError, ParameterError, did_you_mean
from whiteline.models.features.checks import check_features, check_input
from whiteline.models.features.encoder import SiteFeatures
from whiteline.models.features.graphs import Graph, join_graphs, neighbour_graph
from whiteline.models.features.m3gnet_blocks import site_features
from whiteline.models.features.m3gnet_network import M3GNetNetwork, MessagesTo
from whiteline.models.features.m3gnet_weights import M3GNetWeights, read_m3gnet
from whiteline.models.pretrained import find_weights

if TYPE_CHECKING:
    from pymatgen.core import Structure

__all__ = ["DEFAULT_WEIGHTS", "M3GNetEncoder", "load_m3gnet", "make_m3gnet"]

DEFAULT_WEIGHTS = "M3GNet-MP-2021.2.8-PES"
# Edges of one evaluation on a GPU, about 2 GB. On a processor every structure goes alone: its caches hold one, and
# larger batches are slower.
_EDGES_ON_GPU = 400_000


@dataclass(frozen=True, eq=False)
class M3GNetEncoder:
    """M3GNet's atom features.

    Attributes:
        weights: What is evaluated.
        blocks: Which features, in this order: `embedding`, `gc_1`, …
        device: Where torch computes.
        max_edges: Structures are joined up to so many edges; each goes alone with 0.
    """

    weights: M3GNetWeights
    blocks: tuple[str, ...]
    device: str = "cpu"
    max_edges: int = 0

    def __post_init__(self) -> None:
        known = self.known_blocks
        if not self.blocks or len(set(self.blocks)) < len(self.blocks):
            raise ParameterError(f"blocks {self.blocks} must be one or more, each once: known are {', '.join(known)}")
        for block in self.blocks:
            if block not in known:
                raise ParameterError(f"M3GNet has no block {block!r}: {did_you_mean(block, known)}")

    @property
    def known_blocks(self) -> tuple[str, ...]:
        """The names of all features, in the order of the network."""
        return ("embedding", *(f"gc_{i + 1}" for i in range(self.weights.config.n_blocks)))

    @property
    def id(self) -> str:
        """Name, version, blocks and checksum of the weights."""
        blocks = "+".join(block.replace("_", "") for block in self.blocks)
        return f"m3gnet:{self.weights.version}:{blocks}:{self.weights.digest}"

    @property
    def n_features(self) -> int:
        """Length of the features of a site: 64 a block in all published weights."""
        return len(self.blocks) * int(self.weights.state["embedding.layer_node_embedding.weight"].shape[1])

    @property
    def elements(self) -> frozenset[str]:
        """Symbols of the elements that the embedding has a row for."""
        return frozenset(self.weights.config.elements)

    def encode(self, structures: Sequence[Structure], sites: Sequence[Sequence[int]]) -> list[SiteFeatures]:
        """Return the features of some sites of each structure, shapes (n_site, n_feature).

        Raises:
            StructureError: An unknown element, a partially occupied site, or a site that is not there.
            InputError: A structure is too large for the memory of the GPU.
        """
        check_input(structures, sites, self.elements)
        features: list[SiteFeatures] = []
        graphs: list[Graph] = []
        wanted: list[Sequence[int]] = []
        n_edges = 0
        for structure, indices in zip(structures, sites, strict=True):
            graph = neighbour_graph(structure, cutoff=self.weights.config.cutoff, elements=self.weights.config.elements)
            if graphs and n_edges + graph.n_edges > self.max_edges:
                features += self._evaluate(graphs, wanted)
                graphs, wanted, n_edges = [], [], 0
            graphs.append(graph)
            wanted.append(indices)
            n_edges += graph.n_edges
        if graphs:
            features += self._evaluate(graphs, wanted)
        return check_features(features, structures)

    def _evaluate(self, graphs: list[Graph], sites: list[Sequence[int]]) -> list[SiteFeatures]:
        """Return the features of graphs that are evaluated together, or in halves where memory is short."""
        try:
            return self._evaluate_together(graphs, sites)
        except torch.OutOfMemoryError as error:
            if len(graphs) == 1:
                raise InputError(
                    f"a structure with {len(graphs[0].species)} atoms needs more memory than {self.device} has: "
                    "encode it with device='cpu'"
                ) from error
        half = len(graphs) // 2
        return self._evaluate(graphs[:half], sites[:half]) + self._evaluate(graphs[half:], sites[half:])

    def _evaluate_together(self, graphs: list[Graph], sites: list[Sequence[int]]) -> list[SiteFeatures]:
        graph, starts = join_graphs(graphs)
        rows = [np.asarray(indices, dtype=np.int64) + start for indices, start in zip(sites, starts, strict=True)]
        network = self._network
        last = max(self.known_blocks.index(block) for block in self.blocks)
        with torch.inference_mode():
            tensors = [
                torch.from_numpy(array).to(self.device)
                for array in (graph.species, graph.source, graph.target, graph.vectors, np.concatenate(rows))
            ]
            found = site_features(network, *tensors, n_blocks=last)
            chosen = torch.cat([found[self.known_blocks.index(block)] for block in self.blocks], dim=1)
        together = chosen.float().cpu().numpy()
        return np.split(together, np.cumsum([len(indices) for indices in rows])[:-1])

    @cached_property
    def _network(self) -> M3GNetNetwork:
        state = {name: torch.from_numpy(array.copy()).to(self.device) for name, array in self.weights.state.items()}
        return M3GNetNetwork.from_state(
            state,
            n_blocks=self.weights.config.n_blocks,
            max_n=self.weights.config.max_n,
            cutoff=self.weights.config.cutoff,
            threebody_cutoff=self.weights.config.threebody_cutoff,
            messages_to=self.weights.messages_to,
        )

    def __getstate__(self) -> dict[str, Any]:
        # Tensors would travel to other processes as shared memory, of which there is little on some machines.
        return {name: value for name, value in self.__dict__.items() if name != "_network"}


def make_m3gnet(
    *, blocks: Sequence[str] | None = None, weights: Path | None = None, device: str | None = None
) -> M3GNetEncoder:
    """Return the encoder for `whiteline.models.features.make_encoder`, which documents the arguments.

    Raises:
        MissingDependencyError: The weights are not on this machine.
        ParseError: They are damaged, or not those that the features are defined by.
    """
    return load_m3gnet(find_weights(DEFAULT_WEIGHTS, folder=weights), blocks=blocks, device=device)


def load_m3gnet(
    folder: Path,
    *,
    blocks: Sequence[str] | None = None,
    device: str | None = None,
    messages_to: MessagesTo | None = None,
) -> M3GNetEncoder:
    """Return an encoder with the weights in a folder.

    Args:
        folder: Where matgl wrote `model.json` and `state.pt`.
        blocks: Which features, in this order; those of all interaction blocks when None.
        device: Where torch computes; the processor when None.
        messages_to: For weights of one's own, see `read_m3gnet`.

    Raises:
        ParseError: A file is damaged or missing, or the weights are unknown and `messages_to` is not given.
        ParameterError: There is no such block, or `messages_to` contradicts what is known of the weights.
    """
    weights = read_m3gnet(folder, messages_to=messages_to)
    return M3GNetEncoder(
        weights=weights,
        blocks=tuple(f"gc_{i + 1}" for i in range(weights.config.n_blocks)) if blocks is None else tuple(blocks),
        device=device or "cpu",
        max_edges=0 if (device or "cpu") == "cpu" else _EDGES_ON_GPU,
    )
