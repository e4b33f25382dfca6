"""What every encoder promises, and the door they come in by."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from whiteline.errors import MissingDependencyError, ParameterError, StructureError
from whiteline.models.features.concatenated import ConcatenatedEncoder
from whiteline.models.features.encoder import Encoder, list_encoders, make_encoder
from whiteline.models.features.m3gnet_network import MessagesTo

from .conftest import RandomM3GNet

KINDS = ["m3gnet", "chgnet", "soap", "acsf", "joined"]
ELEMENTS = ("Cu", "Ti", "O")


@pytest.fixture(params=KINDS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    """Each encoder in turn."""
    if request.param == "m3gnet":
        random: RandomM3GNet = request.getfixturevalue("random_m3gnet")
        return random.encoder(MessagesTo.TARGET)
    if request.param == "joined":
        return ConcatenatedEncoder((make_encoder("chgnet"), make_encoder("soap", elements=ELEMENTS)))
    return make_encoder(request.param, elements=ELEMENTS if request.param in ("soap", "acsf") else None)


def encode(encoder: Encoder, structure: Structure, *sites: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    (rows,) = encoder.encode([structure], [sites])
    return rows


def assert_same(found: Any, expected: Any) -> None:
    # Single precision, and sums in another order.
    np.testing.assert_allclose(found, expected, atol=2e-5 * max(1.0, float(np.abs(expected).max())))


def test_features_are_rows_of_the_stated_length(encoder: Encoder, crystal: Structure) -> None:
    rows = encode(encoder, crystal, 0, 3, 0)
    assert rows.shape == (3, encoder.n_features)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal(rows[0], rows[2])
    assert np.abs(rows[0] - rows[1]).max() > 1e-3


def test_no_sites_and_no_structures_give_nothing(encoder: Encoder, crystal: Structure) -> None:
    (rows,) = encoder.encode([crystal], [[]])
    assert rows.shape == (0, encoder.n_features)
    assert encoder.encode([], []) == []


def test_features_do_not_depend_on_the_cell(encoder: Encoder, crystal: Structure) -> None:
    doubled = crystal * (1, 1, 2)  # the images of an atom follow it
    assert_same(encode(encoder, doubled, 0, 5), encode(encoder, crystal, 0, 2)[[0, 1]])


def test_features_do_not_depend_on_orientation_and_order(encoder: Encoder, crystal: Structure) -> None:
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    turned = Structure(Lattice(crystal.lattice.matrix @ rotation), crystal.species[::-1], crystal.frac_coords[::-1])
    assert_same(encode(encoder, turned, 4, 0), encode(encoder, crystal, 0, 4))


def test_structures_keep_their_order_and_do_not_see_one_another(
    encoder: Encoder, crystal: Structure, copper: Structure
) -> None:
    first, second = encoder.encode([copper, crystal], [[0], [0, 1]])
    assert_same(first, encode(encoder, copper, 0))
    assert_same(second, encode(encoder, crystal, 0, 1))


def test_oxidation_states_change_nothing(encoder: Encoder, crystal: Structure) -> None:
    charged = crystal.copy()
    charged.add_oxidation_state_by_element({"Cu": 2, "Ti": 4, "O": -2})
    assert_same(encode(encoder, charged, 0), encode(encoder, crystal, 0))


def test_an_encoder_survives_pickling_before_and_after_work(encoder: Encoder, crystal: Structure) -> None:
    fresh = pickle.loads(pickle.dumps(encoder))  # noqa: S301  # our own object, as a pool passes it
    expected = encode(encoder, crystal, 0)
    used = pickle.loads(pickle.dumps(encoder))  # noqa: S301
    for copied in (fresh, used):
        assert copied.id == encoder.id
        assert_same(encode(copied, crystal, 0), expected)


def test_an_unknown_element_is_named_with_its_structure(encoder: Encoder, crystal: Structure) -> None:
    strange = Structure(Lattice.cubic(4.0), ["Cm", "O"], [[0.0] * 3, [0.5] * 3])
    with pytest.raises(StructureError, match=r"structure 1 \(CmO\): the encoder does not know Cm"):
        encoder.encode([crystal, strange], [[0], [0]])


def test_partial_occupancy_is_refused(encoder: Encoder) -> None:
    alloy = Structure(Lattice.cubic(3.6), [{"Cu": 0.5, "Ti": 0.5}], [[0.0] * 3])
    with pytest.raises(StructureError, match=r"structure 0 \(.*\): site 0 is partially occupied"):
        encoder.encode([alloy], [[0]])


@pytest.mark.parametrize("site", [-1, 5])
def test_a_site_that_is_not_there_is_refused(encoder: Encoder, crystal: Structure, site: int) -> None:
    with pytest.raises(StructureError, match=f"there is no site {site}, sites count from 0 to 4"):
        encoder.encode([crystal], [[0, site]])


def test_sites_of_another_number_of_structures_are_refused(encoder: Encoder, crystal: Structure) -> None:
    with pytest.raises(StructureError, match="1 structures and sites of 2"):
        encoder.encode([crystal], [[0], [1]])


def test_joined_encoders_put_their_features_side_by_side(crystal: Structure) -> None:
    joined = make_encoder("soap+acsf", elements=ELEMENTS)
    parts = [make_encoder(name, elements=ELEMENTS) for name in ("soap", "acsf")]
    assert joined.id == "|".join(part.id for part in parts)
    assert joined.n_features == sum(part.n_features for part in parts)
    assert joined.elements == frozenset(ELEMENTS)
    expected = np.concatenate([encode(part, crystal, 0, 1) for part in parts], axis=1)
    np.testing.assert_array_equal(encode(joined, crystal, 0, 1), expected)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("m3gnt", {}, "did you mean 'm3gnet'"),
        ("chgnet+", {}, "unknown encoder ''"),
        ("chgnet+chgnet", {}, "names the same features twice"),
        ("chgnet", {"weights": Path("weights")}, "'chgnet' takes no weights"),
        ("chgnet", {"elements": ["Cu"]}, "'chgnet' takes no elements"),
        ("soap", {"blocks": ["conv_3"], "elements": ["Cu"]}, "'soap' takes no blocks"),
        ("soap", {}, "'soap' needs elements"),
        ("soap", {"elements": []}, "need chemical symbols, got none"),
        ("acsf", {"elements": ["Cu", "Xx"]}, "need chemical symbols, got 'Xx'"),
        ("chgnet", {"blocks": ["conv_5"]}, "CHGNet has no block 'conv_5'"),
        ("chgnet", {"blocks": []}, "one or more, each once"),
        ("chgnet", {"blocks": ["magmom", "magmom"]}, "one or more, each once"),
        ("chgnet+soap", {"blocks": ["conv_3"], "elements": ["Cu"]}, "blocks belong to one encoder"),
    ],
)
def test_a_name_or_option_that_makes_no_sense_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make_encoder(name, **options)


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "whiteline.models.features.chgnet", raising=False)
    monkeypatch.setitem(sys.modules, "chgnet", None)
    for name in [name for name in sys.modules if name.startswith("chgnet.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingDependencyError, match=r"need the package chgnet: `pip install 'whiteline\[learn\]'`"):
        make_encoder("chgnet")


PLUGIN = """
class Zeros:
    id, n_features, elements = "zeros:1", 2, frozenset(["Cu"])
    def __init__(self, device): self.device = device
    def encode(self, structures, sites): return [[[0.0, 0.0] for _ in wanted] for wanted in sites]
def make_zeros(*, device="cpu"): return Zeros(device)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """An installed package with an encoder."""
    (tmp_path / "zeros_plugin.py").write_text(PLUGIN)
    record = tmp_path / "zeros_plugin-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: zeros-plugin\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text("[whiteline.encoders]\nzeros = zeros_plugin:make_zeros\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "zeros_plugin", raising=False)
    return ["zeros"]


def test_an_installed_package_brings_its_encoder(plugin: Sequence[str], copper: Structure) -> None:
    assert list_encoders() == ["m3gnet", "chgnet", "soap", "acsf", *plugin]
    encoder: Any = make_encoder("zeros", device="cuda")
    assert (encoder.id, encoder.device) == ("zeros:1", "cuda")
    with pytest.raises(ParameterError, match="takes no elements"):
        make_encoder("zeros", elements=["Cu"])
