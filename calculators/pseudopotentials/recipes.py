"""Recipes of pseudopotentials for absorbing atoms, and the ld1.x inputs that they stand for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any

from whiteline.calculators.pseudopotentials.core_hole import LETTERS, CoreHole
from whiteline.errors import ParameterError, did_you_mean

__all__ = [
    "Channel",
    "Functional",
    "Recipe",
    "generation_input",
    "list_recipes",
    "load_recipe",
    "trial_input",
]

_SHELL = re.compile(r"([1-7])([spdf])(-?\d+(?:\.\d+)?)")
# Step and top of ld1's own convergence test [Ry]; its box is large enough for occupied states only.
CUTOFF_STEP_RY = 10
CUTOFF_TOP_RY = 200
_BOX_RADIUS_BOHR = 20
# Two rydberg above the vacuum are 27 eV, as far as a near-edge spectrum is read.
_TOP_OF_WINDOW_RY = 2.0
_ENERGY_STEP_RY = 0.02
_BEYOND_RADII_BOHR = 0.3


class Functional(StrEnum):
    """Exchange-correlation functional, by ld1.x's name."""

    PBE = "PBE"
    PBESOL = "PBESOL"
    PZ = "PZ"

    @classmethod
    def parse(cls, text: str) -> Functional:
        """Return the functional that `text` names; `LDA` is PZ.

        Raises:
            ParameterError: No such functional.
        """
        name = text.strip().upper().replace("-", "")
        if name == "LDA":
            return cls.PZ
        if name not in set(cls):
            raise ParameterError(f"unknown functional {text!r}: {did_you_mean(name, [f.value for f in cls])}")
        return cls(name)


@dataclass(frozen=True)
class Channel:
    """One projector.

    Attributes:
        state: Atomic state, e.g. `3d`.
        energy_ry: Reference energy [Ry]; None takes the state's eigenvalue.
        norm_conserving_radius: Matching radius of the norm-conserving wavefunction [bohr].
        ultrasoft_radius: Matching radius of the ultrasoft wavefunction [bohr].
    """

    state: str
    energy_ry: float | None
    norm_conserving_radius: float
    ultrasoft_radius: float


@dataclass(frozen=True)
class Recipe:
    """How the pseudopotential of one element is made; radii in bohr.

    Attributes:
        element: Chemical symbol, and `atomic_number`.
        core: Core shells in their ground state, e.g. `1s2 2s2 2p6`.
        valence: Valence shells of the reference configuration.
        channels: Projectors; where the local potential is a channel's, that one is last.
        local: Angular momentum of the local channel; None smooths the all-electron potential.
        local_radius: Radius inside which the all-electron potential is smoothed.
        core_radius: Radius of the smoothed core charge of the nonlinear core correction.
        reconstruction: States from which the all-electron wavefunctions are rebuilt (GIPAW).
        tests: Valence configurations, excited and ionised ones, on which the pseudopotential is tested.
    """

    element: str
    atomic_number: int
    core: str
    valence: str
    channels: tuple[Channel, ...]
    core_radius: float
    reconstruction: tuple[str, ...]
    tests: tuple[str, ...]
    local: int | None = None
    local_radius: float | None = None

    @property
    def core_levels(self) -> tuple[str, ...]:
        """Core levels from which an electron can be taken."""
        return tuple(_occupations(self.core))

    def core_with(self, hole: CoreHole | None) -> str:
        """Return the core shells with a hole, e.g. `1s1 2s2 2p6`.

        Raises:
            ParameterError: There is no such core level.
        """
        shells = _occupations(self.core)
        if hole is not None:
            if hole.level not in shells:
                raise ParameterError(
                    f"the recipe of {self.element} has no core level {hole.level} to take an electron from: "
                    f"its core levels are {', '.join(shells)}"
                )
            shells[hole.level] -= hole.size
        return " ".join(f"{state}{occupation:g}" for state, occupation in shells.items())

    @property
    def n_valence(self) -> float:
        """Valence electrons of the neutral atom."""
        return self.atomic_number - sum(_occupations(self.core).values())

    @property
    def matching_radius(self) -> float:
        """Radius at which logarithmic derivatives are compared [bohr], outside all others."""
        radii = [c.ultrasoft_radius for c in self.channels] + [self.local_radius or 0.0]
        return round(max(radii) + _BEYOND_RADII_BOHR, 3)


def list_recipes() -> list[str]:
    """Return the elements that there is a recipe for, by atomic number.

    >>> "Ti" in list_recipes()
    True
    """
    return list(_tables())


def load_recipe(element: str) -> Recipe:
    """Return the recipe of an element.

    >>> load_recipe("Ti").core_levels
    ('1s', '2s', '2p')

    Raises:
        ParameterError: There is none.
    """
    tables = _tables()
    if element not in tables:
        raise ParameterError(
            f"no recipe makes a pseudopotential of {element!r}: {did_you_mean(element, [])}{', '.join(tables)}; "
            "put UPF files of other elements into the library's folder"
        )
    table = dict(tables[element])
    channels = tuple(
        Channel(state, None if energy == "bound" else float(energy), float(inner), float(outer))
        for state, energy, inner, outer in table.pop("channels")
    )
    reconstruction, tests = tuple(table.pop("reconstruction").split()), tuple(table.pop("tests"))
    return Recipe(element, channels=channels, reconstruction=reconstruction, tests=tests, **table)


def generation_input(
    recipe: Recipe, *, file_name: str, functional: Functional = Functional.PBE, core_hole: CoreHole | None = None
) -> str:
    """Return the ld1.x input that makes the pseudopotential and its GIPAW reconstruction.

    Args:
        recipe: Element and radii; they are the same with and without a core hole.
        file_name: UPF file that ld1.x writes.
        functional: Exchange-correlation functional.
        core_hole: Electrons missing in the core; the atom is then an ion, with the same valence configuration.

    Raises:
        ParameterError: The recipe has no such core level.
    """
    unbound = [f"{recipe.channels[-1].state}-2"] if _is_local_unbound(recipe) else []
    config = " ".join([recipe.core_with(core_hole), recipe.valence, *_empty(recipe, recipe.valence), *unbound])
    local = f"lloc={recipe.local}" if recipe.local is not None else f"lloc=-1, rcloc={recipe.local_radius}"
    lines = [
        "&input",
        f"  title='{recipe.element}', zed={recipe.atomic_number}., rel=1, dft='{functional}', iswitch=3,",
        f"  config='{config}',",
        "/",
        "&inputp",
        f"  lpaw=.false., pseudotype=3, file_pseudopw='{file_name}', author='Whiteline', {local},",
        f"  zval={recipe.n_valence + (core_hole.size if core_hole else 0.0)},",
        "  which_augfun='PSQ', rmatch_augfun_nc=.true., tm=.true., lgipaw_reconstruction=.true.,",
        f"  nlcc=.true., new_core_ps=.true., rcore={recipe.core_radius},",
        "/",
        *_cards(recipe, [(c.state, c.energy_ry) for c in recipe.channels]),
        "&test",
        "/",
        *_cards(recipe, [(state, None) for state in recipe.reconstruction]),
    ]
    return "\n".join(lines) + "\n"


def trial_input(
    recipe: Recipe,
    *,
    file_name: str,
    lowest_energy_ry: float,
    functional: Functional = Functional.PBE,
    core_hole: CoreHole | None = None,
) -> str:
    """Return the ld1.x input that tests the pseudopotential.

    Args:
        recipe: What was made; its own valence configuration is the first that is tested.
        file_name: UPF file to test.
        lowest_energy_ry: Bottom of the window of logarithmic derivatives [Ry].
        functional: Exchange-correlation functional.
        core_hole: Electrons missing in the core.
    """
    configurations = [recipe.valence, *recipe.tests]
    empty = _empty(recipe, recipe.valence)
    lines = [
        "&input",
        f"  title='{recipe.element}', zed={recipe.atomic_number}., rel=1, dft='{functional}', iswitch=2,",
        f"  config='{' '.join([recipe.core_with(core_hole), recipe.valence, *empty])}',",
        f"  rlderiv={recipe.matching_radius}, nld=3, eminld={lowest_energy_ry}, emaxld={_TOP_OF_WINDOW_RY}, "
        f"deld={_ENERGY_STEP_RY},",
        "/",
        "&test",
        f"  file_pseudo='{file_name}', nconf={len(configurations)},",
        *(f"  configts({i})='{text}'," for i, text in enumerate(configurations, start=1)),
        f"  ecutmin={CUTOFF_STEP_RY}, ecutmax={CUTOFF_TOP_RY}, decut={CUTOFF_STEP_RY}, rm={_BOX_RADIUS_BOHR},",
        "/",
    ]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=1)
def _tables() -> Mapping[str, Mapping[str, Any]]:
    text = (files("whiteline.calculators.pseudopotentials") / "recipes.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return dict(sorted(tables.items(), key=lambda item: int(item[1]["atomic_number"])))


def _occupations(configuration: str) -> dict[str, float]:
    return {f"{n}{letter}": float(occupation) for n, letter, occupation in _SHELL.findall(configuration)}


def _empty(recipe: Recipe, configuration: str) -> list[str]:
    """Return the states of the reconstruction that a configuration leaves out, as empty shells."""
    named = _occupations(configuration)
    return [f"{state}0" for state in recipe.reconstruction if state not in named]


def _is_local_unbound(recipe: Recipe) -> bool:
    return recipe.local is not None and recipe.channels[-1].state not in _occupations(recipe.valence)


def _cards(recipe: Recipe, states: Iterable[tuple[str, float | None]]) -> list[str]:
    """Return the number of wavefunctions and a line for each, as ld1.x reads them."""
    valence = _occupations(recipe.valence)
    radii: dict[str, tuple[float, float]] = {}
    for channel in recipe.channels:
        radii.setdefault(channel.state[1], (channel.norm_conserving_radius, channel.ultrasoft_radius))
    cards = []
    for state, energy in states:
        momentum = LETTERS.index(state[1])
        lowest = min((int(s[0]) for s in valence if s[1] == state[1]), default=int(state[0]))
        is_unbound = _is_local_unbound(recipe) and state == recipe.channels[-1].state
        occupation = -2.0 if is_unbound else valence.get(state, 0.0) if energy is None else 0.0
        inner, outer = radii[state[1]]
        cards.append(
            f"{state.upper()} {int(state[0]) - lowest + momentum + 1} {momentum} {occupation:.2f} {energy or 0.0:g} "
            f"{inner:.2f} {outer:.2f} 0.0"
        )
    return [str(len(cards)), *cards]
