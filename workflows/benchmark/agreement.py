"""How alike the codes are: pairwise, for each material and site, on average, and beside what others found."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from whiteline.absorber import find_absorbers
from whiteline.broadening import Lorentzian, Origin, Voigt
from whiteline.errors import InputError
from whiteline.similarity import Similarity, compare
from whiteline.spectrum import Quantity, Spectrum, average
from whiteline.workflows.benchmark.definition import Compared, Comparison, PublishedNumber
from whiteline.workflows.benchmark.results import BenchmarkRun
from whiteline.workflows.plan import Problem

__all__ = ["Agreement", "Agreements", "MeanAgreement", "PublishedResult", "Scope", "compare_codes", "prepare"]

# eV; widths are printed by some codes with as few digits.
_SAME_WIDTH = 5e-3
# Share of the window; with less in common two curves say little of one another.
_ENOUGH = 0.8


@dataclass(frozen=True)
class Scope:
    """What a spectrum is of.

    Attributes:
        material: Name of the material.
        site: Index of the site; None for the average over all sites, weighted by multiplicity.
    """

    material: str
    site: int | None = None

    @property
    def label(self) -> str:
        """Words for tables and titles."""
        return self.material if self.site is None else f"{self.material}, site {self.site}"


@dataclass(frozen=True)
class Agreement:
    """Two codes compared.

    Attributes:
        scope: Material or site.
        codes: The code that stays and the one that is shifted.
        quantity: What was compared.
        similarity: How alike they are; None where they cannot be compared.
        remark: Why they cannot, or how little they have in common; empty where all is well.
    """

    scope: Scope
    codes: tuple[str, str]
    quantity: Compared
    similarity: Similarity | None
    remark: str = ""


@dataclass(frozen=True)
class MeanAgreement:
    """Two codes on average over materials.

    Attributes:
        codes: The two codes.
        quantity: What was compared.
        n_materials: Number of materials that both have.
        means: Mean of each measure but the shift.
    """

    codes: tuple[str, str]
    quantity: Compared
    n_materials: int
    means: Mapping[str, float]


@dataclass(frozen=True)
class PublishedResult:
    """A published number and the same one here.

    Attributes:
        number: What others found.
        here: The same here; None where a spectrum for it is missing.
        n_materials: Number of materials that it is the mean of here.
    """

    number: PublishedNumber
    here: float | None
    n_materials: int

    @property
    def difference(self) -> float | None:
        """Here less published."""
        return None if self.here is None else self.here - self.number.value


@dataclass(frozen=True, eq=False)
class Agreements:
    """All that was compared.

    Attributes:
        spectra: Spectrum of each code by material and site, as its code wrote it.
        rows: Every pair.
        means: Every pair on average over materials.
        published: What others found.
        problems: Spectra that could not be averaged over sites.
    """

    spectra: Mapping[Scope, Mapping[str, Spectrum]]
    rows: tuple[Agreement, ...]
    means: tuple[MeanAgreement, ...]
    published: tuple[PublishedResult, ...]
    problems: tuple[Problem, ...]


def log_distance(correlation: float) -> float | None:
    """Return log10(1 - correlation), None for curves that are alike to the last digit.

    >>> round(log_distance(0.999), 6), log_distance(1.0)
    (-3.0, None)
    """
    return math.log10(1.0 - correlation) if correlation < 1.0 else None


def prepare(spectrum: Spectrum, *, quantity: Compared, broadening: float | None) -> Spectrum:
    """Return a spectrum as it is compared.

    Lorentzians of one width after another are one of their sum: where the spectrum carries less than `broadening` in
    all, the rest is added; where it carries more, it stays.

    Args:
        spectrum: The spectrum as its code wrote it.
        quantity: What it is converted to.
        broadening: Full width at half maximum that all spectra carry in total [eV]; None adds nothing.

    Raises:
        UnitError: It lacks what the conversion needs.
    """
    if quantity is not Compared.AS_WRITTEN:
        spectrum = spectrum.to_absolute(Quantity(quantity.value))
    missing = 0.0 if broadening is None else broadening - lorentzian_width(spectrum)
    if missing <= _SAME_WIDTH:
        return spectrum
    return spectrum.broaden(Lorentzian(missing), origin=Origin.NUMERICAL)


def lorentzian_width(spectrum: Spectrum) -> float:
    """Return the sum of the full widths at half maximum of all Lorentzians on record [eV]."""
    profiles = [record.profile for record in spectrum.broadening]
    widths = [p.fwhm for p in profiles if isinstance(p, Lorentzian)]
    return sum(widths) + sum(p.lorentzian_fwhm for p in profiles if isinstance(p, Voigt))


def compare_codes(run: BenchmarkRun) -> Agreements:
    """Return how alike the codes of a run are, for every material and every site that two of them have."""
    spectra, problems = _collect(run)
    comparison = run.benchmark.comparison
    rows = tuple(
        _compare(scope, (a, b), of_scope, quantity, comparison)
        for scope, of_scope in spectra.items()
        for quantity in comparison.quantities
        for a, b in combinations(of_scope, 2)
    )
    pairs = list(combinations(run.benchmark.codes, 2))
    means = [_mean(rows, pair, quantity) for quantity in comparison.quantities for pair in pairs]
    published = tuple(_published(number, rows, comparison) for number in run.benchmark.published)
    return Agreements(spectra, rows, tuple(m for m in means if m is not None), published, tuple(problems))


def _collect(run: BenchmarkRun) -> tuple[dict[Scope, dict[str, Spectrum]], list[Problem]]:
    """Return the spectra of materials and, where a material has several, of sites."""
    spectra: dict[Scope, dict[str, Spectrum]] = {}
    problems = []
    for material in run.benchmark.materials:
        absorbers = find_absorbers(material.structure, run.benchmark.absorber, run.benchmark.edge)
        weights = {absorber.site_index: absorber.multiplicity for absorber in absorbers}
        whole = spectra.setdefault(Scope(material.name), {})
        of_sites = {site: spectra.setdefault(Scope(material.name, site), {}) for site in weights if len(weights) > 1}
        for code in run.benchmark.codes:
            own = {
                site.site_index: site.document.spectrum
                for site in run.sites
                if (site.material, site.code) == (material.name, code) and site.document.spectrum is not None
            }
            for site, place in of_sites.items():
                if site in own:
                    place[code] = own[site]
            if set(own) != set(weights):
                continue
            try:
                whole[code] = average([own[site] for site in weights], list(weights.values()))
            except InputError as error:
                problems.append(Problem(f"{material.name}, average of {code}", str(error)))
    return {scope: of_scope for scope, of_scope in spectra.items() if of_scope}, problems


def _compare(
    scope: Scope,
    codes: tuple[str, str],
    spectra: Mapping[str, Spectrum],
    quantity: Compared,
    comparison: Comparison,
) -> Agreement:
    try:
        one, two = (prepare(spectra[c], quantity=quantity, broadening=comparison.broadening) for c in codes)
        similarity = compare(
            one,
            two,
            window=comparison.window,
            onset=comparison.onset,
            max_shift=comparison.max_shift,
            step=comparison.step,
            n_grid=comparison.n_grid,
        )
    except InputError as error:
        return Agreement(scope, codes, quantity, None, str(error))
    remark = ""
    if similarity.overlap < _ENOUGH * comparison.window:
        remark = f"only {similarity.overlap:.1f} eV of a window of {comparison.window:g} eV in common"
    return Agreement(scope, codes, quantity, similarity, remark)


def _mean(rows: Iterable[Agreement], codes: tuple[str, str], quantity: Compared) -> MeanAgreement | None:
    found = [
        row.similarity.to_dict()
        for row in rows
        if row.codes == codes and row.quantity is quantity and row.scope.site is None and row.similarity is not None
    ]
    if not found:
        return None
    names = [name for name in found[0] if name not in ("shift", "overlap")]
    return MeanAgreement(
        codes, quantity, len(found), {name: math.fsum(row[name] for row in found) / len(found) for name in names}
    )


def _published(number: PublishedNumber, rows: Sequence[Agreement], comparison: Comparison) -> PublishedResult:
    """Return what stands here beside a published number: the mean over its pairs, where all of them are there."""
    quantity = number.quantity or comparison.quantities[0]
    wanted = {frozenset(pair) for pair in number.pairs}
    by_pair: dict[frozenset[str], list[float]] = {}
    materials = set()
    for row in rows:
        is_of_scope = row.scope.site is None if number.material is None else _is_of(row.scope, number, rows)
        if row.similarity is None or row.quantity is not quantity or not is_of_scope:
            continue
        pair = frozenset(row.codes)
        if pair in wanted:
            by_pair.setdefault(pair, []).append(row.similarity.to_dict()[number.measure])
            materials.add(row.scope.material)
    if set(by_pair) != wanted:
        return PublishedResult(number, None, 0)
    means = [math.fsum(values) / len(values) for values in by_pair.values()]
    return PublishedResult(number, math.fsum(means) / len(means), len(materials))


def _is_of(scope: Scope, number: PublishedNumber, rows: Sequence[Agreement]) -> bool:
    """Return whether a scope is that of a published number; the only site of a material is the material."""
    has_sites = any(row.scope.material == number.material and row.scope.site is not None for row in rows)
    site = number.site if has_sites else None
    return (scope.material, scope.site) == (number.material, site)
