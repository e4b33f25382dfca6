"""The weights of M3GNet, taken apart for `m3gnet_blocks`.

Equations: Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), doi:10.1038/s43588-022-00349-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from whiteline.models.features.bessel import bessel_norms, bessel_roots

__all__ = ["N_L", "GatedLayers", "M3GNetBlock", "M3GNetNetwork", "MessagesTo"]

# Largest angular momentum plus one; the three-body term is written out for it.
N_L = 3


class MessagesTo(StrEnum):
    """The atom that sums the messages of an edge.

    M3GNet was trained with sums over the edges that lead to an atom (matgl up to 2), and its later weights with sums
    over those that start from it (matgl 3 and 4). The names and shapes of the weights are the same, so that neither is
    refused by the other's program, and the result is wrong in every compound.
    """

    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, eq=False)
class GatedLayers:
    """A gated perceptron behind its first layer: SiLU(…) times sigmoid(…), of the same depth."""

    layers: tuple[tuple[Tensor, Tensor], ...]
    gates: tuple[tuple[Tensor, Tensor], ...]


@dataclass(frozen=True, eq=False)
class M3GNetBlock:
    """Weights of one block; n_h is the width of the hidden layers, 2 n_h that of layers and gates side by side.

    Attributes:
        sigma: Weights and bias of the atom's part of the three-body term, shapes (n_l n_n, n_v) and (n_l n_n,).
        bond_layer: Edge update of the three-body term, shape (n_e, n_l n_n).
        bond_gate: Its gate, same shape.
        atoms: First layers, columns of the atoms: edge update and node update of the source, then of the target,
            shape (8 n_h, n_v).
        bias: First layers, edge update and node update, shape (4 n_h,).
        edge: First layer of the edge update, columns of the edge, shape (2 n_h, n_e).
        node: First layer of the node update, columns of the edge, shape (2 n_h, n_e).
        edge_rest: Other layers of the edge update.
        node_rest: Other layers of the node update.
        edge_radial: Radial weights of the edge update, shape (n_e, n_l n_n).
        node_radial: Radial weights of the node update, shape (n_v, n_l n_n).
    """

    sigma: tuple[Tensor, Tensor]
    bond_layer: Tensor
    bond_gate: Tensor
    atoms: Tensor
    bias: Tensor
    edge: Tensor
    node: Tensor
    edge_rest: GatedLayers
    node_rest: GatedLayers
    edge_radial: Tensor
    node_radial: Tensor

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], i_block: int) -> M3GNetBlock:
        """Return the weights of a block, taken apart.

        Args:
            state: Weights by matgl's names, without a prefix.
            i_block: Counts from 0.
        """
        three_body, conv = f"three_body_interactions.{i_block}.", f"graph_layers.{i_block}.conv."
        edge, node = f"{conv}edge_update_func.", f"{conv}node_update_func."
        first = {
            name: torch.cat([state[f"{name}layers.0.weight"], state[f"{name}gates.0.weight"]]) for name in (edge, node)
        }
        n_v = state[f"{conv}node_weight_func.weight"].shape[0]
        bias = [state[f"{name}{part}.0.bias"] for name in (edge, node) for part in ("layers", "gates")]
        return cls(
            sigma=(
                state[f"{three_body}update_network_atom.layers.0.weight"],
                state[f"{three_body}update_network_atom.layers.0.bias"],
            ),
            bond_layer=state[f"{three_body}update_network_bond.layers.0.weight"],
            bond_gate=state[f"{three_body}update_network_bond.gates.0.weight"],
            atoms=torch.cat([first[name][:, start : start + n_v] for start in (0, n_v) for name in (edge, node)]),
            bias=torch.cat(bias),
            edge=first[edge][:, 2 * n_v :].contiguous(),
            node=first[node][:, 2 * n_v :].contiguous(),
            edge_rest=_rest(state, edge),
            node_rest=_rest(state, node),
            edge_radial=state[f"{conv}edge_weight_func.weight"],
            node_radial=state[f"{conv}node_weight_func.weight"],
        )


@dataclass(frozen=True, eq=False)
class M3GNetNetwork:
    """What turns a graph into features of its atoms.

    Attributes:
        atom_embedding: One row an element, shape (n_element, n_v).
        edge_embedding: Weights and bias of the edges' first features.
        blocks: The interaction blocks in their order.
        roots: Zeros of the radial functions, shape (n_l, n_n).
        norms: Their norms, shape (n_l, n_n) [1/Å^1.5].
        cutoff: Longest edge [Å].
        threebody_cutoff: Reach of the three-body term [Å].
        messages_to: Where messages are summed.
    """

    atom_embedding: Tensor
    edge_embedding: tuple[Tensor, Tensor]
    blocks: tuple[M3GNetBlock, ...]
    roots: Tensor
    norms: Tensor
    cutoff: float
    threebody_cutoff: float
    messages_to: MessagesTo

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Tensor],
        *,
        n_blocks: int,
        max_n: int,
        cutoff: float,
        threebody_cutoff: float,
        messages_to: MessagesTo,
    ) -> M3GNetNetwork:
        """Return the network with these weights, on their device and in their precision."""
        embedding = state["embedding.layer_node_embedding.weight"]
        # Distances are expanded in double precision: it costs nothing beside the rest.
        roots = torch.from_numpy(bessel_roots(N_L, max_n)).to(embedding.device)
        norms = torch.from_numpy(bessel_norms(N_L, max_n, cutoff)).to(embedding.device)
        return cls(
            atom_embedding=embedding,
            edge_embedding=(
                state["embedding.layer_edge_embedding.layers.0.weight"],
                state["embedding.layer_edge_embedding.layers.0.bias"],
            ),
            blocks=tuple(M3GNetBlock.from_state(state, i) for i in range(n_blocks)),
            roots=roots,
            norms=norms,
            cutoff=cutoff,
            threebody_cutoff=threebody_cutoff,
            messages_to=messages_to,
        )


def _rest(state: Mapping[str, Tensor], prefix: str) -> GatedLayers:
    """Return the layers behind the first; matgl counts activations, so that layers have even numbers."""
    numbers = sorted(
        int(name.split(".")[-2]) for name in state if name.startswith(f"{prefix}layers.") and name.endswith("weight")
    )[1:]
    layers, gates = (
        tuple((state[f"{prefix}{part}.{n}.weight"], state[f"{prefix}{part}.{n}.bias"]) for n in numbers)
        for part in ("layers", "gates")
    )
    return GatedLayers(layers, gates)
