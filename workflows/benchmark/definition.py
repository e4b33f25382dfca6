"""A benchmark as data: structures, codes with their presets, how spectra are compared, and what others found.

It is a folder with `benchmark.toml` and the structures that this names. A next benchmark is a next folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from pydantic import Field

from whiteline.absorber import find_absorbers
from whiteline.calculators.parameters import Parameters, build_parameters, list_presets
from whiteline.edges import Edge
from whiteline.errors import InputError, ParameterError, ParseError, did_you_mean
from whiteline.structures import NamedStructure, read_structures
from whiteline.workflows.benchmark.layout import check_layout
from whiteline.workflows.engines import ENGINES

__all__ = [
    "Benchmark",
    "BenchmarkCode",
    "Compared",
    "Comparison",
    "PublishedNumber",
    "list_benchmarks",
    "load_benchmark",
]

FILE_NAME: Final = "benchmark.toml"
_HOME = Path(__file__).with_name("definitions")


class Compared(StrEnum):
    """What is compared: Im ε, the cross-section, or whichever of them each code wrote."""

    IM_EPSILON = "im_epsilon"
    CROSS_SECTION = "cross_section"
    AS_WRITTEN = "as_written"


class Comparison(Parameters):
    """How two spectra are compared (`whiteline.similarity.compare`).

    Attributes:
        quantities: What is compared; the first is the one of figures and of published numbers that name none.
        broadening: Full width at half maximum of the Lorentzians that all spectra carry in total when they are
            compared, what they already have included [eV]; None leaves each as it is.
        window: Range compared from the onset [eV].
        max_shift: Largest shift tried either way from coinciding onsets [eV].
        step: Distance of the shifts tried [eV].
        onset: Fraction of the maximum where a curve starts.
        n_grid: Points of the common grid.
    """

    quantities: tuple[Compared, ...] = Field(default=(Compared.IM_EPSILON,), min_length=1)
    broadening: float | None = Field(default=None, gt=0)
    window: float = Field(default=35.0, gt=0)
    max_shift: float = Field(default=12.0, ge=0)
    step: float = Field(default=0.01, gt=0)
    onset: float = Field(default=0.02, ge=0, lt=1)
    n_grid: int = Field(default=300, ge=4)


class PublishedNumber(Parameters):
    """A number that others found.

    Attributes:
        label: Words in the report.
        value: The number.
        source: Where it stands.
        pairs: Pairs of codes; the number is the mean over them.
        measure: Which measure of similarity.
        quantity: What was compared; the benchmark's first quantity when None.
        material: Name of the material; the mean over all when None.
        site: Index of the site in its structure; the material's spectrum when None.
    """

    label: str
    value: float
    source: str
    pairs: tuple[tuple[str, str], ...] = Field(min_length=1)
    measure: Literal["spearman", "pearson", "cosine", "area_difference", "earth_mover"] = "spearman"
    quantity: Compared | None = None
    material: str | None = None
    site: int | None = None


class BenchmarkCode(Parameters):
    """One code of a benchmark.

    Attributes:
        presets: Preset of the code by the name under which the benchmark offers it, e.g. `published`; the first is
            that of the foreign outputs.
        layout: Where foreign outputs keep the files of a site (`whiteline.workflows.benchmark.layout`).
    """

    presets: dict[str, str] = Field(min_length=1)
    layout: dict[str, str] = Field(default_factory=dict)


class _Head(Parameters):
    name: str
    title: str
    absorber: str
    edge: str
    structures: str = "structures.json"
    doi: str = ""
    citation: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A benchmark.

    Attributes:
        name: Short name, e.g. `ti-o-10`.
        title: What it is.
        doi: Digital object identifier of its publication; empty without one.
        citation: Its publication in words.
        notes: What a reader of its report should know.
        absorber: Absorbing element.
        edge: Absorption edge.
        materials: The crystals.
        codes: The codes by name, in the order of the pairs.
        comparison: How spectra are compared.
        published: What others found.
    """

    name: str
    title: str
    doi: str
    citation: str
    notes: tuple[str, ...]
    absorber: str
    edge: Edge
    materials: tuple[NamedStructure, ...]
    codes: Mapping[str, BenchmarkCode]
    comparison: Comparison
    published: tuple[PublishedNumber, ...]

    @property
    def presets(self) -> tuple[str, ...]:
        """Names of the presets that a code offers."""
        return tuple(dict.fromkeys(name for code in self.codes.values() for name in code.presets))

    def choose(self, *, codes: Sequence[str] = (), materials: Sequence[str] = ()) -> Benchmark:
        """Return the benchmark with these codes and materials only; with all where none are named.

        Raises:
            ParameterError: It has no such code or material.
        """
        known = [material.name for material in self.materials]
        for name in codes:
            if name not in self.codes:
                raise ParameterError(f"{self.name} has no code {name!r}: {did_you_mean(name, self.codes)}")
        for name in materials:
            if name not in known:
                raise ParameterError(f"{self.name} has no material {name!r}: {did_you_mean(name, known)}")
        return replace(
            self,
            codes={name: code for name, code in self.codes.items() if not codes or name in codes},
            materials=tuple(m for m in self.materials if not materials or m.name in materials),
        )


def list_benchmarks() -> list[tuple[str, str]]:
    """Return name and title of every benchmark that comes with Whiteline.

    >>> [name for name, _ in list_benchmarks()]
    ['ti-o-10']
    """
    heads = [_read_toml(path) for path in sorted(_HOME.glob(f"*/{FILE_NAME}"))]
    return [(head["name"], head["title"]) for head in heads]


def load_benchmark(name_or_folder: str) -> Benchmark:
    """Return a benchmark that comes with Whiteline, by its name, or that of a folder.

    Raises:
        InputError: There is no such benchmark, or a file of it is missing, damaged or says something impossible; the
            message names the file.
    """
    known = [path.parent.name for path in sorted(_HOME.glob(f"*/{FILE_NAME}"))]
    if name_or_folder in known:
        return _load(_HOME / name_or_folder)
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise ParameterError(
            f"there is no benchmark and no folder {name_or_folder!r}: {did_you_mean(name_or_folder, known)}"
        )
    return _load(folder)


def _load(folder: Path) -> Benchmark:
    path = folder / FILE_NAME
    content = _read_toml(path)
    tables = {name: content.pop(name, {}) for name in ("comparison", "codes", "published")}
    head = _build(_Head, content, path)
    codes = {name: _build(BenchmarkCode, table, path, f"codes.{name}") for name, table in tables["codes"].items()}
    _check_codes(codes, path)
    numbers = tables["published"] or []
    benchmark = Benchmark(
        name=head.name,
        title=head.title,
        doi=head.doi,
        citation=head.citation,
        notes=head.notes,
        absorber=head.absorber,
        edge=Edge.parse(head.edge),
        materials=_read_materials(folder, head),
        codes=codes,
        comparison=_build(Comparison, tables["comparison"], path, "comparison"),
        published=tuple(_build(PublishedNumber, n, path, f"published {i}") for i, n in enumerate(numbers, start=1)),
    )
    _check_published(benchmark, path)
    return benchmark


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: a benchmark is a folder with {FILE_NAME} and its structures") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParseError(f"{path} is damaged or cut off: {error}") from error


P = TypeVar("P", bound=Parameters)


def _build(model: type[P], values: Any, path: Path, table: str = "") -> P:
    where = f"{path}{f', [{table}]' if table else ''}"
    if not isinstance(values, dict):
        raise ParameterError(f"{where}: expected a table, got {values!r}")
    try:
        return build_parameters(model, values)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from error


def _read_materials(folder: Path, head: _Head) -> tuple[NamedStructure, ...]:
    """Return the crystals, each with a source that is the same wherever the folder lies."""
    found = []
    for named in read_structures([str(folder / head.structures)]):
        try:
            find_absorbers(named.structure, head.absorber, Edge.parse(head.edge))
        except InputError as error:
            raise InputError(f"{named.source}: {error}") from error
        found.append(replace(named, source=f"{head.name}#{named.name}"))
    names = [named.name for named in found]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{folder / head.structures}: several structures are named {', '.join(sorted(repeated))}")
    return tuple(found)


def _check_codes(codes: Mapping[str, BenchmarkCode], path: Path) -> None:
    if not codes:
        raise ParameterError(f"{path} names no code: add a table such as [codes.feff]")
    for name, code in codes.items():
        if name not in ENGINES:
            raise ParameterError(f"{path}: unknown code {name!r}: {did_you_mean(name, ENGINES)}")
        try:
            check_layout(code.layout)
        except ParameterError as error:
            raise ParameterError(f"{path}, [codes.{name}]: {error}") from error
        for preset in code.presets.values():
            if preset not in list_presets(name):
                raise ParameterError(
                    f"{path}: {name} has no preset {preset!r}: {did_you_mean(preset, list_presets(name))}"
                )


def _check_published(benchmark: Benchmark, path: Path) -> None:
    materials = [material.name for material in benchmark.materials]
    for i, number in enumerate(benchmark.published, start=1):
        where = f"{path}, [published {i}]"
        for code in {code for pair in number.pairs for code in pair}:
            if code not in benchmark.codes:
                raise ParameterError(f"{where}: no code {code!r} here: {did_you_mean(code, benchmark.codes)}")
        if number.material is not None and number.material not in materials:
            raise ParameterError(
                f"{where}: no material {number.material!r}: {did_you_mean(number.material, materials)}"
            )
        quantity = number.quantity
        if quantity is not None and quantity not in benchmark.comparison.quantities:
            raise ParameterError(f"{where}: {quantity} is not among the quantities of [comparison]: add it there")
