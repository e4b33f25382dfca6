"""M3GNet's interaction blocks, evaluated at a cost that grows with the number of neighbours, not with its square.

The equations are those of Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), doi:10.1038/s43588-022-00349-3. What is
evaluated is the same to rounding; three things make it cheap:

1. The three-body term needs no list of triplets (`_three_body`).
2. The first layer of every update multiplies the features of both atoms and of the edge, put side by side, by one
   matrix. Taken apart, W (v_i, v_j, e_ij) = W_i v_i + W_j v_j + W_e e_ij, the atoms' parts are computed once an atom
   instead of once an edge, of which there are some forty times as many.
3. The last block is evaluated only for edges that bring a message to a wanted atom.

Whether a message goes to the atom that an edge starts from or to the one it leads to is a property of the weights, see
`MessagesTo`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from whiteline.models.features.m3gnet_network import N_L, GatedLayers, M3GNetBlock, M3GNetNetwork, MessagesTo

__all__ = ["site_features"]


def site_features(
    network: M3GNetNetwork,
    species: Tensor,
    source: Tensor,
    target: Tensor,
    vectors: Tensor,
    sites: Tensor,
    *,
    n_blocks: int,
) -> list[Tensor]:
    """Return the features of some atoms: embedded, and after each of the first blocks.

    Args:
        network: The weights.
        species: Row of each atom's embedding, shape (n_atom,).
        source: Atom that an edge starts from, shape (n_edge,).
        target: Atom that it leads to, shape (n_edge,).
        vectors: From source to target, shape (n_edge, 3) [Å], in double precision.
        sites: Atoms that are wanted, shape (n_site,).
        n_blocks: How many blocks to evaluate.

    Returns:
        One array for the embedding and one for each block, shapes (n_site, n_v).
    """
    dtype = network.atom_embedding.dtype
    distances = vectors.norm(dim=1)
    radial = _radial_basis(network, distances).to(dtype)
    envelope = _envelope(distances, network.threebody_cutoff).to(dtype)[:, None]
    angular = _angular_basis((vectors / distances[:, None]).to(dtype))
    v = network.atom_embedding[species]
    e = silu(linear(radial, *network.edge_embedding), inplace=True)
    features = [v[sites]]
    receivers = target if network.messages_to is MessagesTo.TARGET else source
    for i_block, block in enumerate(network.blocks[:n_blocks]):
        a = linear(v, *block.sigma).sigmoid_()[target] * radial * envelope
        moments = _moments(a, angular, source, len(v))
        if i_block == n_blocks - 1:
            is_wanted = torch.zeros(len(v), dtype=torch.bool, device=v.device)
            is_wanted[sites] = True
            kept = is_wanted[receivers].nonzero().squeeze(1)
            a, angular, e, radial, envelope = a[kept], angular[kept], e[kept], radial[kept], envelope[kept]
            source, target, receivers = source[kept], target[kept], receivers[kept]
        e = _three_body(block, a, angular, moments[source], envelope).add_(e)
        first = _first_layers(block, v, source, target)
        n_h2 = block.edge.shape[0]
        e.add_(_update(block.edge_rest, first[:, :n_h2], block.edge, e).mul_(radial @ block.edge_radial.T))
        message = _update(block.node_rest, first[:, n_h2:], block.node, e).mul_(radial @ block.node_radial.T)
        v = v.index_add(0, receivers, message)
        features.append(v[sites])
    return features


def _radial_basis(network: M3GNetNetwork, distances: Tensor) -> Tensor:
    """Return j_l(z_ln r / r_c) by its norm over the sphere, for l = 0, 1, 2; shape (n_edge, n_l n_n)."""
    x = (distances / network.cutoff)[:, None] * network.roots.flatten()
    x0, x1, x2 = x.chunk(N_L, dim=1)
    j0 = x0.sin() / x0
    j1 = (x1.sin() / x1 - x1.cos()) / x1
    j2 = (3.0 / x2**2 - 1.0) * x2.sin() / x2 - 3.0 * x2.cos() / x2**2
    return torch.cat([j0, j1, j2], dim=1) * network.norms.flatten()


def _envelope(distances: Tensor, cutoff: float) -> Tensor:
    """Return 1 - 10 x³ + 15 x⁴ - 6 x⁵, x = r / r_c, which ends smoothly at the cutoff; shape (n_edge,)."""
    x = (distances / cutoff).clamp(max=1.0)
    return 1.0 + x**3 * (-10.0 + x * (15.0 - 6.0 * x))


def _angular_basis(directions: Tensor) -> Tensor:
    """Return what scalar products of directions and of their squares are made of, shape (n_edge, 9).

    The columns are the direction (l = 1) and the six entries of its outer product with itself, those off the diagonal
    times √2 (l = 2), so that their scalar product is the square of that of the directions.
    """
    x, y, z = directions.unbind(1)
    root = math.sqrt(2.0)
    return torch.stack([x, y, z, x * x, y * y, z * z, root * x * y, root * x * z, root * y * z], dim=1)


def _moments(a: Tensor, angular: Tensor, source: Tensor, n_atoms: int) -> Tensor:
    """Return the sums over the neighbours k of each atom of a_k times the angular basis, shape (n_atom, 11, n_n).

    The rows are the sum itself for l = 0, those of `_angular_basis` for l = 1 and 2, and the sum itself for l = 2.
    """
    a0, a1, a2 = a.chunk(N_L, dim=1)
    u = angular[:, :, None]
    terms = torch.cat([a0[:, None], u[:, :3] * a1[:, None], u[:, 3:] * a2[:, None], a2[:, None]], dim=1)
    return terms.new_zeros((n_atoms, *terms.shape[1:])).index_add_(0, source, terms)


def _three_body(block: M3GNetBlock, a: Tensor, angular: Tensor, moments: Tensor, envelope: Tensor) -> Tensor:
    """Return what the neighbours k of atom i change in the edge from i to j, shape (n_edge, n_e).

    t_ij,ln = f(r_ij) sum_(k≠j) Y_l(cos θ_jik) a_ik,ln,  a_ik,ln = j_ln(r_ik) f(r_ik) σ(W v_k + b)_ln

    Y_l is √((2l+1)/4π) P_l, and with u = r_ij/|r_ij|, w = r_ik/|r_ik| the Legendre polynomials of cos θ = u·w are
    sums of products of a function of u and the same function of w (the addition theorem): P_0 = 1, P_1 = u·w, and
    P_2 = (3 (u·w)² - 1) / 2 with (u·w)² = uu^T : ww^T. So the sum over k is taken once an atom, of a_ik times the
    functions of w, and every edge multiplies it by its own functions of u. The term k = j, for which P_l = 1, is
    subtracted.

    | symbol | variable |
    |---|---|
    | a | `a` |
    | functions of u | `angular` |
    | sums over k | `moments`, those of atom i for each edge |
    | f | `envelope` |
    """
    a0, a1, a2 = a.chunk(N_L, dim=1)
    u = angular[:, :, None]
    p0 = moments[:, 0] - a0
    p1 = (u[:, :3] * moments[:, 1:4]).sum(dim=1) - a1
    p2 = 1.5 * (u[:, 3:] * moments[:, 4:10]).sum(dim=1) - 0.5 * moments[:, 10] - a2
    norms = [math.sqrt((2 * degree + 1) / (4.0 * math.pi)) for degree in range(N_L)]
    t = torch.cat([norm * p for norm, p in zip(norms, (p0, p1, p2), strict=True)], dim=1) * envelope
    return silu(t @ block.bond_layer.T, inplace=True).mul_((t @ block.bond_gate.T).sigmoid_())


def _first_layers(block: M3GNetBlock, v: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return the atoms' part of the first layers of both updates, shape (n_edge, 4 n_h)."""
    of_source, of_target = (v @ block.atoms.T).chunk(2, dim=1)
    return (of_source + block.bias)[source].add_(of_target[target])


def _update(rest: GatedLayers, atoms: Tensor, weights: Tensor, e: Tensor) -> Tensor:
    """Return a gated perceptron of both atoms and the edge, shape (n_edge, n_out)."""
    layer, gate = silu(atoms.addmm_(e, weights.T), inplace=True).chunk(2, dim=1)
    for (layer_weights, layer_bias), (gate_weights, gate_bias) in zip(rest.layers, rest.gates, strict=True):
        layer = silu(torch.addmm(layer_bias, layer, layer_weights.T), inplace=True)
        gate = torch.addmm(gate_bias, gate, gate_weights.T)
        gate = gate.sigmoid_() if gate_weights is rest.gates[-1][0] else silu(gate, inplace=True)
    return layer.mul_(gate)
