"""The makers: one site, and one material with all its inequivalent sites."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobflow import Flow, Job, Maker
from pymatgen.core import Structure

from whiteline.absorber import Absorber, find_absorbers
from whiteline.calculators.feff import FeffCalculator
from whiteline.calculators.interface import Calculator
from whiteline.edges import Edge
from whiteline.workflows.jobs import average_sites, compute_site
from whiteline.workflows.workspace import Workspace

__all__ = ["MaterialSpectrumMaker", "SiteSpectrumMaker"]


@dataclass
class SiteSpectrumMaker(Maker):
    """Make the job that computes one site spectrum.

    Attributes:
        workspace: Store and scratch.
        calculator: Code with its parameters.
        fidelity: Level of theory, e.g. `feff:fast`, by which spectra are queried.
        name: Name of the job.
    """

    workspace: Workspace
    calculator: Calculator = field(default_factory=FeffCalculator)
    fidelity: str = "feff:standard"
    name: str = "site spectrum"

    def make(self, absorber: Absorber, *, title: str = "", source: str = "", source_checksum: str = "") -> Job:
        """Return the job for one absorber.

        Args:
            absorber: Site and edge.
            title: Name of the material in progress and run directories; its formula when empty.
            source: Where the structure came from.
            source_checksum: Checksum of that file; empty where it was none.
        """
        title = title or absorber.structure.composition.reduced_formula
        task = compute_site(
            absorber, self.calculator, self.workspace, title, source, self.fidelity, source_checksum=source_checksum
        )
        task.name = f"{title} {absorber.label}"
        return task


@dataclass
class MaterialSpectrumMaker(Maker):
    """Make the flow that computes all inequivalent sites of an element and their weighted average.

    Attributes:
        site_maker: Makes the jobs of the sites.
        name: Name of the flow.
    """

    site_maker: SiteSpectrumMaker
    name: str = "material spectrum"

    def make(
        self,
        structure: Structure,
        element: str,
        edge: Edge,
        *,
        title: str = "",
        source: str = "",
        source_checksum: str = "",
    ) -> Flow:
        """Return the flow for one material; its output is that of the average.

        Raises:
            StructureError: The element is not in the structure.
            ParameterError: The element does not have the edge.
        """
        absorbers = find_absorbers(structure, element, edge)
        title = title or structure.composition.reduced_formula
        tasks = [
            self.site_maker.make(absorber, title=title, source=source, source_checksum=source_checksum)
            for absorber in absorbers
        ]
        mean = average_sites(
            absorbers[0],
            self.site_maker.calculator,
            self.site_maker.workspace,
            [task.output for task in tasks],
            source,
            self.site_maker.fidelity,
            source_checksum=source_checksum,
        )
        mean.name = f"{title} {element} {edge} average"
        return Flow([*tasks, mean], output=mean.output, name=f"{title} {element} {edge}")
