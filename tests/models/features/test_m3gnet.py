"""Our evaluation of M3GNet beside matgl's, and beside published features."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pymatgen.core import Lattice, Structure

from whiteline.errors import InputError, MissingDependencyError, ParameterError, ParseError, StructureError
from whiteline.models.features import m3gnet
from whiteline.models.features.graphs import neighbour_graph
from whiteline.models.features.m3gnet import DEFAULT_WEIGHTS, make_m3gnet
from whiteline.models.features.m3gnet_blocks import site_features
from whiteline.models.features.m3gnet_network import M3GNetNetwork, MessagesTo
from whiteline.models.pretrained import find_weights

from .conftest import RandomM3GNet

ALL_BLOCKS = ("embedding", "gc_1", "gc_2", "gc_3")


def has_weights() -> bool:
    try:
        find_weights(DEFAULT_WEIGHTS)
    except (MissingDependencyError, ParseError):
        return False
    return True


needs_weights = pytest.mark.skipif(not has_weights(), reason=f"{DEFAULT_WEIGHTS} is not on this machine")


def to_target(conv: Any, edge_index: Any, edge_feat: Any, node_feat: Any, rbf: Any, _state: Any, num_nodes: int) -> Any:
    """Sum matgl's messages at the other end of the edges."""
    source, target = edge_index
    message = conv.node_update_func(torch.hstack([node_feat[source], node_feat[target], edge_feat]))
    return torch.zeros_like(node_feat).index_add(0, target, message * conv.node_weight_func(rbf))


def matgl_features(network: Any, structure: Structure, messages_to: MessagesTo) -> dict[str, Any]:
    """Return the atom features of matgl's own evaluation with explicit triplets, in double precision."""
    from matgl.ext.pymatgen import Structure2Graph

    network = network.double()
    if messages_to is MessagesTo.TARGET:
        for block in network.graph_layers:
            block.conv.node_update_ = types.MethodType(to_target, block.conv)
    graph, _, _ = Structure2Graph(network.element_types, network.cutoff).get_graph(structure)
    matrix = torch.from_numpy(structure.lattice.matrix.copy())
    graph.pos = torch.from_numpy(structure.frac_coords.copy()) @ matrix
    graph.pbc_offshift = graph.pbc_offset.double() @ matrix
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network(graph)
        return {name: network.feature_dict[name]["node_feat"].numpy() for name in ALL_BLOCKS}
    finally:
        network.float()
        for block in network.graph_layers:
            block.conv.__dict__.pop("node_update_", None)


def our_features(
    random: RandomM3GNet, structure: Structure, messages_to: MessagesTo, *, threebody_cutoff: float = 4.0
) -> dict[str, Any]:
    """Return ours in double precision."""
    weights = random.encoder(messages_to).weights
    network = M3GNetNetwork.from_state(
        {name: torch.from_numpy(np.asarray(array, dtype=float)) for name, array in weights.state.items()},
        n_blocks=3,
        max_n=3,
        cutoff=5.0,
        threebody_cutoff=threebody_cutoff,
        messages_to=messages_to,
    )
    graph = neighbour_graph(structure, cutoff=5.0, elements=weights.config.elements)
    species, source, target, vectors = map(torch.from_numpy, (graph.species, graph.source, graph.target, graph.vectors))
    with torch.inference_mode():
        found = site_features(network, species, source, target, vectors, torch.arange(len(structure)), n_blocks=3)
    return dict(zip(ALL_BLOCKS, (tensor.numpy() for tensor in found), strict=True))


def largest_difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return the largest difference of all blocks, as a share of the largest feature of its block."""
    return max(float(np.abs(one[name] - other[name]).max() / np.abs(other[name]).max()) for name in ALL_BLOCKS)


@pytest.mark.parametrize("messages_to", MessagesTo)
def test_sums_over_neighbours_equal_sums_over_triplets(
    random_m3gnet: RandomM3GNet, crystal: Structure, messages_to: MessagesTo
) -> None:
    theirs = matgl_features(random_m3gnet.network, crystal, messages_to)
    ours = our_features(random_m3gnet, crystal, messages_to)
    # matgl keeps the zeros of its radial functions in single precision and cuts cosines 1e-7 below 1.
    assert largest_difference(ours, theirs) < 1e-6
    # Without the three-body term the features are others: the test sees it.
    assert largest_difference(our_features(random_m3gnet, crystal, messages_to, threebody_cutoff=0.1), ours) > 1e-4


def test_messages_at_the_other_end_give_other_features(random_m3gnet: RandomM3GNet, crystal: Structure) -> None:
    stock = matgl_features(random_m3gnet.network, crystal, MessagesTo.SOURCE)
    assert largest_difference(our_features(random_m3gnet, crystal, MessagesTo.TARGET), stock) > 1e-2


@pytest.mark.parametrize("messages_to", MessagesTo)
def test_leaving_out_edges_of_the_last_block_changes_nothing(
    random_m3gnet: RandomM3GNet, crystal: Structure, messages_to: MessagesTo
) -> None:
    encoder = random_m3gnet.encoder(messages_to)
    (alone,), (among_all,) = encoder.encode([crystal], [[3]]), encoder.encode([crystal], [range(5)])
    np.testing.assert_allclose(alone[0], among_all[3], atol=1e-6)  # the order of sums may differ


@pytest.mark.parametrize("block", ALL_BLOCKS)
def test_blocks_are_taken_in_the_order_that_was_asked_for(
    random_m3gnet: RandomM3GNet, crystal: Structure, block: str
) -> None:
    both = random_m3gnet.encoder(MessagesTo.TARGET, blocks=("gc_3", block) if block != "gc_3" else ("gc_2", block))
    one = random_m3gnet.encoder(MessagesTo.TARGET, blocks=(block,))
    (many,), (few,) = both.encode([crystal], [[0, 2]]), one.encode([crystal], [[0, 2]])
    assert (one.n_features, both.n_features) == (64, 128)
    np.testing.assert_allclose(many[:, 64:], few, atol=1e-6)


def test_structures_evaluated_together_have_the_features_of_each_alone(
    random_m3gnet: RandomM3GNet, crystal: Structure, copper: Structure
) -> None:
    structures, sites = [crystal, copper, crystal], [[0, 4], [1], [2]]
    alone = random_m3gnet.encoder(MessagesTo.TARGET)
    together = m3gnet.M3GNetEncoder(weights=alone.weights, blocks=alone.blocks, max_edges=10**6)
    for one, other in zip(alone.encode(structures, sites), together.encode(structures, sites), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_batch_that_does_not_fit_is_halved_with_the_same_result(
    random_m3gnet: RandomM3GNet, crystal: Structure, copper: Structure, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = random_m3gnet.encoder(MessagesTo.TARGET)
    together = m3gnet.M3GNetEncoder(weights=alone.weights, blocks=alone.blocks, max_edges=10**6)
    expected = alone.encode([crystal, copper, crystal], [[0], [1], [2]])

    def short_of_memory(network: Any, species: Any, *arguments: Any, **options: Any) -> Any:
        if len(species) > len(crystal):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return site_features(network, species, *arguments, **options)

    monkeypatch.setattr(m3gnet, "site_features", short_of_memory)
    found = together.encode([crystal, copper, crystal], [[0], [1], [2]])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    with pytest.raises(InputError, match=r"20 atoms needs more memory than cpu has"):
        together.encode([crystal * (2, 2, 1)], [[0]])


def test_an_isolated_atom_has_features(random_m3gnet: RandomM3GNet) -> None:
    atom = Structure(Lattice.cubic(12.0), ["Cu"], [[0.0, 0.0, 0.0]])
    (row,) = random_m3gnet.encoder(MessagesTo.TARGET, blocks=("embedding", "gc_3")).encode([atom], [[0]])
    np.testing.assert_array_equal(row[0, :64], row[0, 64:])


def test_atoms_on_one_another_are_refused(random_m3gnet: RandomM3GNet) -> None:
    crystal = Structure(Lattice.cubic(4.0), ["Cu", "O"], [[0.0] * 3, [0.0] * 3])
    with pytest.raises(StructureError, match=r"structure 0 \(CuO\): its features are not finite"):
        random_m3gnet.encoder(MessagesTo.TARGET).encode([crystal], [[0]])


def test_weights_that_nobody_knows_are_refused_until_their_messages_are_said(random_m3gnet: RandomM3GNet) -> None:
    with pytest.raises(ParseError, match=r"none of the weights known here .* messages_to"):
        make_m3gnet(weights=random_m3gnet.folder)
    ids = {random_m3gnet.encoder(messages_to).id for messages_to in MessagesTo}
    assert len(ids) == 2


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("state.pt", b"damaged", "cannot be read|read safely"),
        ("model.json", b"{", "does not describe an M3GNet"),
        ("model.json", b'{"kwargs": {}}', "does not describe an M3GNet"),
    ],
)
def test_a_damaged_file_is_named(
    random_m3gnet: RandomM3GNet, tmp_path: Path, file: str, content: bytes, message: str
) -> None:
    folder = Path(shutil.copytree(random_m3gnet.folder, tmp_path / "weights"))
    (folder / file).write_bytes(content)
    with pytest.raises(ParseError, match=message) as raised:
        m3gnet.load_m3gnet(folder, messages_to=MessagesTo.TARGET)
    assert str(folder / file) in str(raised.value)


def test_a_pickle_that_would_run_code_is_not_run(random_m3gnet: RandomM3GNet, tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "harm",)

    folder = Path(shutil.copytree(random_m3gnet.folder, tmp_path / "weights"))
    torch.save({"weight": Harmful()}, folder / "state.pt")
    with pytest.raises(ParseError, match="read safely"):
        m3gnet.load_m3gnet(folder, messages_to=MessagesTo.TARGET)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(("key", "value"), [("use_smooth", True), ("max_l", 4), ("include_state", True)])
def test_a_network_that_is_not_evaluated_here_is_refused(
    random_m3gnet: RandomM3GNet, tmp_path: Path, key: str, value: object
) -> None:
    folder = Path(shutil.copytree(random_m3gnet.folder, tmp_path / "weights"))
    card = json.loads((folder / "model.json").read_text())
    card["kwargs"][key] = value
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(ParseError, match=f"{key} is {value}"):
        m3gnet.load_m3gnet(folder, messages_to=MessagesTo.TARGET)


def test_an_unknown_block_names_the_nearest(random_m3gnet: RandomM3GNet) -> None:
    with pytest.raises(ParameterError, match="did you mean 'gc_3'"):
        random_m3gnet.encoder(MessagesTo.TARGET, blocks=("gc3",))


def test_making_features_loads_neither_matgl_nor_a_hub(random_m3gnet: RandomM3GNet) -> None:
    program = f"""
import sys
from pathlib import Path
from pymatgen.core import Lattice, Structure
from whiteline.models.features.m3gnet import load_m3gnet
crystal = Structure(Lattice.cubic(3.0), ["Cu", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
encoder = load_m3gnet(Path({str(random_m3gnet.folder)!r}), messages_to="target")
assert encoder.encode([crystal], [[0]])[0].shape == (1, 192)
assert not {{"matgl", "huggingface_hub", "requests", "lightning"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@needs_weights
def test_features_equal_those_that_were_published(published: list[dict[str, Any]]) -> None:
    encoder = make_m3gnet(blocks=("gc_3",))
    assert encoder.id == "m3gnet:MP-2021.2.8-PES:gc3:b0bbb07e93642d0b"
    rows = encoder.encode([row["structure"] for row in published], [[row["site"]] for row in published])
    for row, found in zip(published, rows, strict=True):
        # Single precision, in another order of sums; the file keeps six digits behind the point.
        np.testing.assert_allclose(found[0], row["features"], atol=1e-5 * np.abs(row["features"]).max())


@needs_weights
def test_published_weights_with_messages_at_the_wrong_end_fail_the_same_test(published: list[dict[str, Any]]) -> None:
    right = make_m3gnet(blocks=("gc_3",))
    values = {**right.weights.__dict__, "messages_to": MessagesTo.SOURCE}
    wrong = m3gnet.M3GNetEncoder(weights=type(right.weights)(**values), blocks=("gc_3",))
    rows = wrong.encode([row["structure"] for row in published], [[row["site"]] for row in published])
    for row, found in zip(published, rows, strict=True):
        assert np.abs(found[0] - row["features"]).max() > 0.1 * np.abs(row["features"]).max()


@needs_weights
def test_the_published_convention_cannot_be_contradicted_nor_the_card_edited(tmp_path: Path) -> None:
    folder = find_weights(DEFAULT_WEIGHTS)
    with pytest.raises(ParameterError, match="sums messages at the target"):
        m3gnet.load_m3gnet(folder, messages_to=MessagesTo.SOURCE)
    copied = Path(shutil.copytree(folder, tmp_path / "weights", copy_function=shutil.copyfile))
    card = copied / "model.json"
    card.write_text(card.read_text().replace('"threebody_cutoff": 5.0', '"threebody_cutoff": 4.0'))
    with pytest.raises(ParseError, match=r"model\.json was edited"):
        m3gnet.load_m3gnet(copied)
