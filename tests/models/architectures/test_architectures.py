"""Every architecture holds the same promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from whiteline.errors import ParameterError
from whiteline.models.architectures import (
    ARCHITECTURES,
    PUBLISHED_WIDTHS,
    Architecture,
    NetworkSizes,
    ResidualBatchNorm,
    ResidualMLP,
    XASBlock,
    make_architecture,
)

SMALL: list[Architecture] = [
    XASBlock(widths=(9, 7), dropout=0.3, embedding=3),
    XASBlock(widths=(9,), dropout=0.0, embedding=3),
    ResidualMLP(width=8, n_block=2, dropout=0.3, embedding=3),
    ResidualBatchNorm(width=8, n_block=2, dropout=0.3, embedding=3),
    ResidualBatchNorm(width=8, n_block=1, dropout=0.0, embedding=3),
]
SIZES = [
    NetworkSizes(n_feature=5, n_energy=11),
    NetworkSizes(n_feature=5, n_energy=11, n_subject=3, n_fidelity=2),
]
# Batched and single products are added up in another order; single precision has 24 bits.
ROUNDING: dict[str, Any] = {"rtol": 1e-5, "atol": 1e-6}

each_architecture = pytest.mark.parametrize("architecture", SMALL, ids=lambda a: f"{a.NAME}-{a.dropout}")
each_size = pytest.mark.parametrize("sizes", SIZES, ids=["one channel", "six channels"])


def rows(sizes: NetworkSizes, n_member: int, n_row: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(n_member, n_row, sizes.n_feature, generator=generator)
    codes = [torch.randint(n, (n_member, n_row), generator=generator) for n in (sizes.n_subject, sizes.n_fidelity)]
    return features, torch.stack(codes, -1)


def test_every_architecture_is_tested_here() -> None:
    assert {architecture.NAME for architecture in SMALL} == set(ARCHITECTURES)


@each_architecture
@each_size
def test_a_member_of_an_ensemble_is_the_network_of_its_seed(architecture: Architecture, sizes: NetworkSizes) -> None:
    features, codes = rows(sizes, 1)
    both = architecture.build(sizes, [3, 8])(features.expand(2, -1, -1), codes.expand(2, -1, -1))
    alone = architecture.build(sizes, [8])(features, codes)
    assert both.shape == (2, 6, sizes.n_energy)
    torch.testing.assert_close(both[1:], alone, **ROUNDING)
    assert not torch.allclose(both[0], both[1], atol=1e-3)


@each_architecture
@each_size
def test_members_share_nothing_while_they_learn(architecture: Architecture, sizes: NetworkSizes) -> None:
    network = architecture.build(sizes, [0, 1])
    features, codes = rows(sizes, 2)
    noise = torch.rand(2, 6, network.n_noise)
    both = network(features, codes, noise=noise)
    of_second = architecture.build(sizes, [0, 1])(features[1:], codes[1:], noise=noise[1:], members=slice(1, 2))
    torch.testing.assert_close(both[1:], of_second, **ROUNDING)


@pytest.mark.parametrize("architecture", [a for a in SMALL if not a.MIXES_ROWS], ids=lambda a: a.NAME)
def test_rows_in_pieces_give_what_they_give_together(architecture: Architecture) -> None:
    network = architecture.build(SIZES[1], [0])
    features, codes = rows(SIZES[1], 1)
    noise = torch.rand(1, 6, network.n_noise)
    pieces = [network(features[:, p], codes[:, p], noise=noise[:, p]) for p in (slice(0, 4), slice(4, 6))]
    torch.testing.assert_close(torch.cat(pieces, 1), network(features, codes, noise=noise), **ROUNDING)


@each_architecture
def test_absorber_and_fidelity_change_the_prediction(architecture: Architecture) -> None:
    features, codes = rows(SIZES[1], 1)
    network = architecture.build(SIZES[1], [0])
    for column in (0, 1):
        other = codes.clone()
        other[..., column] = (codes[..., column] + 1) % 2
        assert not torch.allclose(network(features, codes), network(features, other), atol=1e-4)


@each_architecture
def test_frozen_stages_get_no_gradient_and_keep_their_statistics(architecture: Architecture) -> None:
    network = architecture.build(SIZES[1], [0])
    before = {name: buffer.clone() for name, buffer in network.stages[0].named_buffers()}
    network.freeze(1)
    features, codes = rows(SIZES[1], 1)
    network(features, codes, noise=torch.rand(1, 6, network.n_noise), n_frozen=1).sum().backward()
    assert all(weight.grad is None for weight in network.stages[0].parameters())
    assert all(weight.grad is not None for weight in network.stages[-1].parameters())
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.stages[0].named_buffers())


@each_architecture
def test_hyper_parameters_come_back_from_their_dictionary(architecture: Architecture) -> None:
    values = architecture.to_dict()
    assert make_architecture(values.pop("name"), **values) == architecture


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("xasblock", {}, "did you mean 'xas-block'"),
        ("xas-block", {"width": [3]}, "did you mean 'widths'"),
        ("xas-block", {"dropout": 1.0}, "dropout.*less than 1, got 1.0"),
        ("xas-block", {"widths": []}, "widths"),
        ("residual-mlp", {"n_blocks": 3}, "did you mean 'n_block'"),
    ],
)
def test_what_is_unknown_or_out_of_range_is_refused_with_the_nearest_name(
    name: str, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        make_architecture(name, **values)


def test_the_block_is_the_published_stack_of_pytorch_layers() -> None:
    sizes = NetworkSizes(n_feature=5, n_energy=11)
    network = XASBlock(widths=(9, 7), dropout=0.0).build(sizes, [4])
    layers: list[torch.nn.Module] = []
    for n_in, n_out in ((5, 9), (9, 7)):
        layers += [torch.nn.Linear(n_in, n_out, bias=False), torch.nn.BatchNorm1d(n_out), torch.nn.SiLU()]
    reference = torch.nn.Sequential(*layers, torch.nn.Linear(7, 11), torch.nn.Softplus())
    state = network.state_dict()
    for i_stage, i_layer in ((0, 0), (1, 3), (2, 6)):
        linear = reference[i_layer]
        assert isinstance(linear, torch.nn.Linear)
        with torch.no_grad():
            linear.weight.copy_(state[f"stages.{i_stage}.linear.weight"][0].T)
            if i_stage == 2:
                linear.bias.copy_(state["stages.2.linear.bias"][0, 0])
    features, codes = rows(sizes, 1, n_row=20)
    learning = network(features, codes, noise=torch.rand(1, 20, network.n_noise))[0]
    torch.testing.assert_close(learning, reference(features[0]), **ROUNDING)
    # The running statistics have moved the same way.
    torch.testing.assert_close(network(features, codes)[0], reference.eval()(features[0]), **ROUNDING)


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    architecture = ResidualMLP(width=4, n_block=1, dropout=0.25)
    from whiteline.models.architectures.layers import drop

    noise = torch.rand(1, 400, 500, generator=torch.Generator().manual_seed(0))
    dropped = drop(torch.ones(1, 400, 500), noise, architecture.dropout)
    # 200,000 draws: the standard deviation of the share is 0.001, that of the mean 0.0013.
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.007)


def test_the_published_copper_network_has_its_published_number_of_weights() -> None:
    network = XASBlock(widths=PUBLISHED_WIDTHS["Cu feff"]).build(NetworkSizes(n_feature=64, n_energy=141), [0])
    # 64, 600, 600, 400, 141 with scale and shift of batch norm; the 1,600 void biases of the publication are left out.
    assert sum(weight.numel() for weight in network.parameters()) == 699_741 - 1_600
