"""Blocks of stored spectra on the grid are what their documents are one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from whiteline.database import SQLiteStore
from whiteline.database.search.curves import document_curve, prepare_block
from whiteline.database.search.grid import put_on_grid
from whiteline.measured import MeasuredSpectrum, Signal
from whiteline.spectrum import EnergyReference, Polarisation, Quantity, Spectrum


def fill_with_every_kind(samples: Any, store: SQLiteStore) -> None:
    """Add spectra in two polarisations, of Im epsilon with and without a known zero, and measured ones."""
    two = replace(
        samples.spectrum_of(samples.shape(50)),
        components=np.stack([samples.shape(50), samples.shape(51)]),
        polarisations=(Polarisation("x", 0.25), Polarisation("y", 0.75)),
    )
    # So far below its edge that the factor from Im epsilon to absorption changes the shape.
    absolute = replace(samples.spectrum_of(samples.shape(52)), quantity=Quantity.IM_EPSILON)
    low = Spectrum(
        samples.axis - samples.axis[0],
        samples.shape(53),
        energy_reference=EnergyReference.FERMI,
        quantity=Quantity.IM_EPSILON,
        reference_energy=30.0,
    )
    unknown = replace(low, reference_energy=None)
    energy = np.arange(4860.0, 5200.0, 0.5)
    mu = np.interp(energy, samples.axis, samples.shape(54)) + 5.0 - 1e-2 * (energy - 4972.0)
    scan = MeasuredSpectrum(energy, mu, signal=Signal.ABSORPTION, derivation="").to_spectrum()
    flat = replace(scan, components=np.ones_like(scan.components))
    computed = [samples.document_of(60 + i, spectrum=s) for i, s in enumerate((two, absolute, low, unknown))]
    measured = [
        samples.document_of(70 + i, kind="measured", code="experiment", spectrum=s, absorber="Ti")
        for i, s in enumerate((scan, flat, scan))
    ]
    store.put_many((document, None) for document in computed + measured)


def test_a_block_is_prepared_as_its_documents_one_by_one(samples: Any, store: SQLiteStore) -> None:
    fill_with_every_kind(samples, store)
    ids, _ = store.changes()
    (block,) = store.curves(ids)
    prepared = prepare_block(block)
    found = dict(zip(prepared.places.tolist(), range(len(prepared.places)), strict=True))
    assert list(found) == sorted(found)
    assert len(found) == len(block) - 1  # the flat measurement
    for place, spectrum_id in enumerate(block.columns["id"]):
        curve = document_curve(store.get(spectrum_id))
        if place not in found:
            assert spectrum_id == samples.name_of(71)
            assert curve is None or not put_on_grid(curve[0], curve[1][np.newaxis, :]).is_valid[0]
            continue
        assert curve is not None
        put = put_on_grid(curve[0], curve[1][np.newaxis, :])
        # Stored in float32.
        np.testing.assert_allclose(prepared.curves[found[place]], put.curves[0], atol=1e-6, err_msg=spectrum_id)
        assert abs(prepared.origins[found[place]] - put.origins[0]) < 1e-6


def test_im_epsilon_with_a_known_zero_is_turned_into_absorption(samples: Any, store: SQLiteStore) -> None:
    fill_with_every_kind(samples, store)
    with_zero, without = (prepare_block(next(store.curves([samples.name_of(i)]))).curves[0] for i in (62, 63))
    assert np.abs(with_zero - without).max() > 0.01


def test_a_block_without_edges_has_no_curves(samples: Any, store: SQLiteStore) -> None:
    store.put(samples.document_of(80, spectrum=samples.spectrum_of(0.0 * samples.axis)))
    prepared = prepare_block(next(store.curves([samples.name_of(80)])))
    assert prepared.curves.shape == (0, 181)
    assert len(prepared.places) == len(prepared.origins) == 0
