from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from whiteline.broadening import BroadeningRecord, Lorentzian, Voigt
from whiteline.broadening import Origin as BroadeningOrigin
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.errors import UnitError
from whiteline.spectrum import EnergyReference, Quantity, Spectrum
from whiteline.status import Status
from whiteline.workflows.benchmark import Benchmark, BenchmarkRun, load_benchmark
from whiteline.workflows.benchmark.agreement import Scope, compare_codes, prepare
from whiteline.workflows.benchmark.definition import Compared
from whiteline.workflows.benchmark.results import Origin, SiteResult

AXIS = np.linspace(0.0, 60.0, 601)


def white_line(e0: float = 12.0, *, height: float = 1.5, **fields: Any) -> Spectrum:
    step = 0.5 + np.arctan((AXIS - e0) / 0.5) / np.pi
    curve = step + height * np.exp(-(((AXIS - e0 - 2) / 1.5) ** 2))
    usual = {"energy_reference": EnergyReference.FERMI, "quantity": Quantity.IM_EPSILON, "scale": 1.0, "volume": 50.0}
    return Spectrum(AXIS, curve, **{**usual, **fields})


def carrying(*widths: float) -> tuple[BroadeningRecord, ...]:
    return tuple(BroadeningRecord(Lorentzian(width), BroadeningOrigin.LIFETIME, "code") for width in widths)


def site(material: str, code: str, index: int, multiplicity: int, spectrum: Spectrum) -> SiteResult:
    document = SpectrumDocument(
        id="0",
        kind=DocumentKind.SITE,
        spectrum=spectrum,
        status=Status.CONVERGED,
        absorber="Ti",
        edge="K",
        code=code,
        code_version="",
        fidelity=code,
        parameters={},
        structure_id="",
        structure={},
        formula="TiO",
        chemical_system="O-Ti",
        elements=("O", "Ti"),
        space_group=1,
        space_group_symbol="P1",
    )
    return SiteResult(material, code, index, multiplicity, document, Origin.COMPUTED)


def run_of(benchmark: Benchmark, *sites: SiteResult) -> BenchmarkRun:
    return BenchmarkRun(benchmark, "published", sites, (), (), "2026-01-01T00:00:00", "2026-01-01T00:00:00")


@pytest.fixture
def three_sites() -> Benchmark:
    """mp-1203, whose sites 0, 2 and 4 have the multiplicities 2, 2 and 1."""
    return load_benchmark("ti-o-10").choose(codes=["ocean", "exciting"], materials=["mp-1203"])


def test_every_spectrum_carries_the_same_width_when_it_is_compared() -> None:
    for carried in ((), (0.5,), (0.5, 1.0)):
        ready = prepare(white_line(broadening=carrying(*carried)), quantity=Compared.IM_EPSILON, broadening=1.78)
        widths = [r.profile.fwhm for r in ready.broadening if isinstance(r.profile, Lorentzian)]
        assert sum(widths) == pytest.approx(1.78, abs=1e-12)  # rounding


def test_lorentzians_of_two_widths_are_one_of_their_sum() -> None:
    whole = prepare(white_line(), quantity=Compared.AS_WRITTEN, broadening=2.0)
    half = white_line().broaden(Lorentzian(1.0), origin=BroadeningOrigin.LIFETIME)
    twice = prepare(half, quantity=Compared.AS_WRITTEN, broadening=2.0)
    inner = (AXIS > 5) & (AXIS < 55)
    # Each convolution takes the curve as constant beyond its ends.
    np.testing.assert_allclose(twice.intensity[inner], whole.intensity[inner], atol=0.01)


@pytest.mark.parametrize("profile", [Lorentzian(1.78), Lorentzian(3.0), Voigt(0.2, 1.78)])
def test_what_is_broad_enough_stays_as_it_is(profile: Lorentzian | Voigt) -> None:
    given = white_line(broadening=(BroadeningRecord(profile, BroadeningOrigin.LIFETIME, "code"),))
    assert prepare(given, quantity=Compared.IM_EPSILON, broadening=1.78).broadening == given.broadening


def test_what_lacks_the_volume_is_not_made_another_quantity() -> None:
    with pytest.raises(UnitError, match="volume of the cell"):
        prepare(white_line(volume=None), quantity=Compared.CROSS_SECTION, broadening=None)


def test_sites_weigh_by_multiplicity(three_sites: Benchmark) -> None:
    heights = {0: 1.0, 2: 2.0, 4: 4.0}
    sites = [site("mp-1203", "ocean", i, m, white_line(height=heights[i])) for i, m in ((0, 2), (2, 2), (4, 1))]
    spectra = compare_codes(run_of(three_sites, *sites)).spectra
    expected = white_line(height=(2 * 1.0 + 2 * 2.0 + 4.0) / 5).intensity
    np.testing.assert_allclose(spectra[Scope("mp-1203")]["ocean"].intensity, expected, rtol=1e-12)
    assert set(spectra) == {Scope("mp-1203"), *(Scope("mp-1203", i) for i in heights)}


def test_a_material_with_a_missing_site_has_no_average_but_its_sites_are_compared(three_sites: Benchmark) -> None:
    sites = [site("mp-1203", "ocean", i, 1, white_line()) for i in (0, 2, 4)]
    agreements = compare_codes(run_of(three_sites, *sites, site("mp-1203", "exciting", 2, 2, white_line(13.0))))
    assert {row.scope for row in agreements.rows} == {Scope("mp-1203", 2)}
    assert agreements.means == ()


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros(601), "no value above 0"),
        (np.ones(601), "constant"),
        (np.where(AXIS < 59.8, 0.0, 1.0), "at least 4 points"),
    ],
)
def test_a_spectrum_without_an_edge_is_a_remark_and_the_other_pairs_go_on(bad: Any, words: str) -> None:
    benchmark = load_benchmark("ti-o-10").choose(codes=["ocean", "exciting", "feff"], materials=["mp-2664"])
    broken = replace(white_line(), components=bad[np.newaxis, :], broadening=carrying(1.78))
    good = white_line(broadening=carrying(1.78))
    spectra = {"ocean": good, "exciting": broken, "feff": good.shift_by(100.0)}
    sites = [site("mp-2664", code, 0, 1, spectrum) for code, spectrum in spectra.items()]
    rows = {row.codes: row for row in compare_codes(run_of(benchmark, *sites)).rows if row.quantity == "im_epsilon"}
    assert rows["ocean", "exciting"].similarity is None
    assert words in rows["ocean", "exciting"].remark
    similarity = rows["ocean", "feff"].similarity
    assert similarity is not None
    assert similarity.spearman == pytest.approx(1.0, abs=1e-12)
    assert similarity.shift == pytest.approx(-100.0, abs=1e-9)


def test_a_spectrum_that_ends_inside_the_window_is_remarked_upon() -> None:
    benchmark = load_benchmark("ti-o-10").choose(codes=["ocean", "exciting"], materials=["mp-2664"])
    short = white_line(broadening=carrying(1.78)).crop(0.0, 25.0)
    whole = white_line(broadening=carrying(1.78))
    sites = [site("mp-2664", code, 0, 1, s) for code, s in (("ocean", whole), ("exciting", short))]
    row = compare_codes(run_of(benchmark, *sites)).rows[0]
    assert row.similarity is not None
    assert "of a window of 35 eV in common" in row.remark


def test_a_mean_is_over_the_materials_and_stands_beside_the_published_one() -> None:
    benchmark = load_benchmark("ti-o-10").choose(codes=["ocean", "exciting"], materials=["mp-2664", "mp-390"])
    sites = [
        site(material, code, 0, 1, white_line(height=height, broadening=carrying(1.78)))
        for material, heights in (("mp-2664", (1.0, 1.0)), ("mp-390", (1.0, 0.4)))
        for code, height in zip(("ocean", "exciting"), heights, strict=True)
    ]
    agreements = compare_codes(run_of(benchmark, *sites))
    mean = next(m for m in agreements.means if m.quantity == "im_epsilon")
    found = [r.similarity.spearman for r in agreements.rows if r.similarity and r.quantity == "im_epsilon"]
    assert mean.n_materials == 2
    assert mean.means["spearman"] == pytest.approx(sum(found) / 2, abs=1e-12)
    published = next(r for r in agreements.published if r.number.value == 0.998)
    assert (published.here, published.n_materials) == (mean.means["spearman"], 2)
    assert next(r for r in agreements.published if r.number.value == 0.990).here is None
