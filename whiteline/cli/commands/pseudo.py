"""`whiteline pseudo`: pseudopotentials with core holes, made, listed and checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whiteline.cli.app import app

if TYPE_CHECKING:
    from whiteline.calculators.pseudopotentials.core_hole import CoreHole
    from whiteline.calculators.pseudopotentials.ld1 import MadePseudopotential
    from whiteline.calculators.pseudopotentials.recipes import Functional, Recipe
    from whiteline.calculators.pseudopotentials.upf import Pseudopotential

pseudo = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Pseudopotentials with core holes for XSpectra: make, list and check them.",
    epilog="[bold]Example[/bold]\n\n  whiteline pseudo make Ti O",
)
app.add_typer(pseudo, name="pseudo")

LibraryOption = Annotated[
    Path | None,
    typer.Option("--library", metavar="FOLDER", help="Folder to use (default: WHITELINE_PSEUDO_DIRECTORY)."),
]


@pseudo.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline pseudo make Ti O\n\n"
    "  whiteline pseudo make Ni --core-hole 2p --hole 0.5\n\n  whiteline pseudo make O --core-hole none"
)
def make(
    elements: Annotated[list[str], typer.Argument(metavar="ELEMENT...", help="Chemical symbols.")],
    core_hole: Annotated[str, typer.Option(help="Level that lacks an electron: 1s, 2p, or none.")] = "1s",
    hole: Annotated[float, typer.Option(help="Missing electrons: 1 is a full core hole, 0.5 half of one.")] = 1.0,
    functional: Annotated[str, typer.Option(help="Exchange-correlation functional: PBE, PBESOL or PZ.")] = "PBE",
    library: LibraryOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Keep what failed a test, and replace different files.")
    ] = False,
) -> int:
    """Make and test the pseudopotentials of an absorber, without and with a core hole, and keep those that pass."""
    from whiteline.calculators.pseudopotentials.core_hole import CoreHole
    from whiteline.calculators.pseudopotentials.library import PseudoLibrary
    from whiteline.calculators.pseudopotentials.recipes import Functional, load_recipe
    from whiteline.cli.tables import make_console
    from whiteline.errors import StoreError
    from whiteline.settings import load_settings

    settings = load_settings()
    keeper = PseudoLibrary(library or settings.pseudo_directory)
    kind = Functional.parse(functional)
    wanted = None if core_hole.lower() == "none" else CoreHole(core_hole.lower(), hole)
    recipes = [load_recipe(element) for element in elements]
    for recipe in recipes:
        recipe.core_with(wanted)  # refuses a level that one of them lacks before any is made
    console = make_console()
    table = _made_table()
    problems: list[str] = []
    for recipe in recipes:
        with console.status(f"{recipe.element}: ld1.x"):
            made, problem = _make(recipe, wanted, kind, settings.ld1_command)
        problems += problem
        for item in made:
            table.add_row(*_made_row(item))
        if not problem:
            try:
                keeper.store(made, force=force)
            except StoreError as error:
                problems.append(str(error))
    console.print(table)
    for problem_text in problems:
        console.print(f"not kept: {problem_text}", style="red")
    if len(problems) < len(recipes):
        console.print(f"Kept in {keeper.folders[0]}.")
    return 1 if problems else 0


@pseudo.command(name="list", epilog="[bold]Example[/bold]\n\n  whiteline pseudo list --library ./pseudo")
def list_(library: LibraryOption = None) -> int:
    """List the pseudopotentials of a library, and the elements that there are recipes for."""
    from whiteline.calculators.pseudopotentials.library import PseudoLibrary
    from whiteline.calculators.pseudopotentials.recipes import list_recipes
    from whiteline.cli.tables import make_console, make_table
    from whiteline.settings import load_settings

    folder = library or load_settings().pseudo_directory
    console = make_console()
    table = make_table("file", "element", "core", "functional", "kind", ">cutoffs (Ry)", "GIPAW", wrapped=("file",))
    found = PseudoLibrary(folder).all()
    for potential in found:
        table.add_row(*_listed_row(potential))
    if found:
        console.print(table)
    else:
        console.print(f"No pseudopotentials in {folder}: make some with `whiteline pseudo make ELEMENT`.")
    console.print(f"Recipes: {' '.join(list_recipes())}.")
    return 0


@pseudo.command(
    epilog="[bold]Examples[/bold]\n\n  whiteline pseudo check Ti.star1s.pbe-gipaw.UPF\n\n"
    "  whiteline pseudo check Cu*.UPF --edge L23"
)
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="UPF files.")],
    edge: Annotated[str, typer.Option(help="Absorption edge: K, L1, L2, L3, L23, ….")] = "K",
) -> int:
    """Say whether UPF files serve the absorbing atom of a spectrum, and what they lack."""
    from rich.text import Text

    from whiteline.calculators.pseudopotentials.suitability import check_absorber
    from whiteline.calculators.pseudopotentials.upf import read_upf
    from whiteline.cli.tables import make_console, make_table
    from whiteline.edges import Edge

    wanted = Edge.parse(edge)
    table = make_table("file", "check", "", "found", wrapped=("file", "found"))
    is_passed = True
    for path in files:
        potential = read_upf(path)
        # A file is judged as what it is: the excited atom's, or the ground state's that belongs to it.
        checks = check_absorber(potential, edge=wanted, needs_core_hole=potential.has_core_hole)
        for i, result in enumerate(checks):
            is_passed &= result.is_passed
            word, style = ("yes", "green") if result.is_passed else ("no", "red")
            table.add_row(path.name if i == 0 else "", result.name, Text(word, style=style), result.detail)
    make_console().print(table)
    return 0 if is_passed else 1


def _make(
    recipe: Recipe, core_hole: CoreHole | None, functional: Functional, command: str
) -> tuple[tuple[MadePseudopotential, ...], list[str]]:
    """Return what was made and, instead of an error, why nothing was: other elements still have their turn."""
    from whiteline.calculators.pseudopotentials.ld1 import make_pair, make_pseudopotential
    from whiteline.errors import CalculationError

    try:
        if core_hole is None:
            return (make_pseudopotential(recipe, functional=functional, command=command),), []
        return make_pair(recipe, core_hole=core_hole, functional=functional, command=command), []
    except CalculationError as error:
        return (), [str(error)]


def _made_table() -> Any:
    from whiteline.cli.tables import make_table

    return make_table(
        "file", "tests", ">eigenvalues (mRy)", ">excitations (mRy)", ">phases (rad)", ">cutoffs (Ry)", ">time (s)"
    )


def _made_row(made: MadePseudopotential) -> tuple[Any, ...]:
    from rich.text import Text

    report = made.report
    return (
        made.name,
        Text("passed", style="green") if report.is_passed else Text("FAILED", style="red"),
        f"{1e3 * report.eigenvalue_error_ry:.1f}",
        f"{1e3 * report.energy_error_ry:.1f}",
        f"{report.phase_difference:.3f}",
        f"{report.wavefunction_cutoff_ry:.0f}, {report.density_cutoff_ry:.0f}",
        f"{made.wall_time:.1f}",
    )


def _listed_row(potential: Pseudopotential) -> tuple[str, ...]:
    hole, missing = potential.core_hole, potential.missing_core_electrons
    core = f"{hole.size:g} hole in {hole.level}" if hole else "full" if missing == 0 else "unknown"
    cutoffs = (potential.wavefunction_cutoff_ry, potential.density_cutoff_ry)
    return (
        potential.path.name,
        potential.element,
        core if hole or not missing else f"lacks {missing:g}",
        potential.functional,
        potential.kind.value,
        ", ".join("–" if cutoff is None else f"{cutoff:.0f}" for cutoff in cutoffs),
        " ".join(f"{n}{'spdf'[momentum]}" for momentum, n in potential.gipaw_projectors.items()) or "no",
    )
