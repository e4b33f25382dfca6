"""Predicting crystals: every inequivalent site and the material, with error bars and how far each is from training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from jaxtyping import Float

from whiteline.absorber import Absorber, find_absorbers
from whiteline.averaging import average
from whiteline.edges import Edge
from whiteline.errors import InputError, WhitelineError, did_you_mean
from whiteline.models.fingerprint import model_sha256
from whiteline.models.model import SpectrumModel
from whiteline.spectrum import Spectrum
from whiteline.structures import NamedStructure
from whiteline.units import EnergyReference
from whiteline.workflows.learning.encoding import encoder_of_model
from whiteline.workflows.learning.reading import Unpredicted

if TYPE_CHECKING:
    from whiteline.models.features import Encoder, FeatureCache

__all__ = ["MaterialPrediction", "Predictor", "SitePrediction"]

Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

# Structures that are read, encoded and predicted at a time: what is in memory does not grow with their number.
_BATCH: Final = 256
_N_NEAREST: Final = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class SitePrediction:
    """What a model says of one site.

    Attributes:
        absorber: The site, with its multiplicity.
        spectrum: Mean of the members.
        half_widths: Share of the points inside to half width of that band, shape (n_energy,) each; empty where the
            model gives no error bars.
        spread: Standard deviation of the members, not calibrated, shape (n_energy,).
        distance: From the training sites, in units in which their features have unit spread; None where the model
            keeps no training set.
        threshold: Distance within which 95 % of the validation sites lie.
        nearest: Training materials that are nearest.
    """

    absorber: Absorber
    spectrum: Spectrum
    half_widths: Mapping[float, Float[Array, " energy"]]
    spread: Float[Array, " energy"]
    distance: float | None = None
    threshold: float | None = None
    nearest: tuple[str, ...] = ()

    @property
    def is_inside(self) -> bool | None:
        """Whether the site is like those that the model was trained on; None where nobody can tell."""
        if self.distance is None or self.threshold is None or not np.isfinite(self.threshold):
            return None
        return self.distance <= self.threshold


@dataclass(frozen=True, eq=False, kw_only=True)
class MaterialPrediction:
    """What a model says of a crystal.

    Attributes:
        name: Of the structure.
        source: Where it came from.
        fidelity: What is predicted, e.g. `feff:standard`.
        sites: One prediction for each inequivalent site of the absorber.
        source_checksum: Checksum of the file of the structure; empty where it came from none.
    """

    name: str
    source: str
    fidelity: str
    sites: tuple[SitePrediction, ...]
    source_checksum: str = ""

    @property
    def spectrum(self) -> Spectrum:
        """The spectrum of the material: the mean of its sites, weighted by their multiplicities."""
        return average([site.spectrum for site in self.sites], self.multiplicities)

    @property
    def multiplicities(self) -> list[int]:
        """Number of equivalent sites of each of `sites`."""
        return [site.absorber.multiplicity for site in self.sites]

    @property
    def half_widths(self) -> dict[float, Float[Array, " energy"]]:
        """Bands of the material: weighted means of those of its sites.

        Errors of the sites of one crystal go the same way more often than not, so that no part of them is taken to
        cancel; for the bands that makes them wide rather than narrow.
        """
        weights = np.array(self.multiplicities) / sum(self.multiplicities)
        levels = self.sites[0].half_widths
        return {
            level: np.tensordot(weights, np.array([site.half_widths[level] for site in self.sites]), axes=1)
            for level in levels
        }

    @property
    def is_inside(self) -> bool | None:
        """Whether all sites are like those of the training; None where nobody can tell."""
        found = [site.is_inside for site in self.sites]
        return None if None in found else all(found)


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model with the encoder of its features.

    Attributes:
        model: The model.
        encoder: What makes its features.
        name: Of the model, as fidelities have it: `model:NAME`.
        folder: Where the model is.
        id: Content hash of the model.
    """

    model: SpectrumModel
    encoder: Encoder
    name: str
    folder: str = ""
    id: str = field(default="")

    @classmethod
    def load(cls, folder: str | Path, *, weights: str = "", device: str | None = None) -> Predictor:
        """Return the predictor of a model folder.

        Args:
            folder: The model.
            weights: Folder with the encoder's pretrained weights; searched for when empty.
            device: Where the encoder computes.

        Raises:
            InputError: There is no model, or no encoder of its features.
            CorruptStoreError: The model was changed or cut off.
            MissingDependencyError: A package or pretrained weights are not there.
        """
        model = SpectrumModel.load(folder)
        encoder = encoder_of_model(model, weights=weights, device=device)
        name = model.card.name or Path(folder).resolve().name
        return cls(model, encoder, name, str(Path(folder).absolute()), model_sha256(model))

    @property
    def material_names(self) -> dict[str, str]:
        """Formula and beginning of the id by material of the training, as far as the card names them."""
        formulas: dict[str, str] = self.model.card.lineage.get("materials", {})
        return {material: f"{formula} ({material[:7]})" for material, formula in formulas.items()}

    def channel(self, element: str, edge: str, fidelity: str | None = None) -> str:
        """Return the fidelity that is predicted for an absorber and edge.

        Raises:
            InputError: The model was not trained on it, or knows several fidelities and none was named.
        """
        wanted = Edge.parse(edge).value
        known = sorted({c.fidelity for c in self.model.channels if (c.absorber, c.edge) == (element, wanted)})
        if not known:
            trained = ", ".join(map(str, self.model.channels))
            raise InputError(
                f"the model {self.name} was trained on {trained}, not on {element} {wanted}: take a model of that "
                "absorber and edge (`whiteline models list`), or train one"
            )
        if fidelity is None and len(known) > 1:
            raise InputError(f"the model {self.name} predicts {', '.join(known)}: say which with --fidelity")
        if fidelity is not None and fidelity not in known:
            raise InputError(f"the model {self.name} does not predict {fidelity!r}: {did_you_mean(fidelity, known)}")
        return fidelity or known[0]

    def predict(
        self,
        structures: Sequence[NamedStructure],
        element: str,
        edge: str = "K",
        *,
        fidelity: str | None = None,
        cache: FeatureCache | None = None,
        n_processes: int = 1,
        on_done: Callable[[int], None] = lambda _: None,
    ) -> list[MaterialPrediction | Unpredicted]:
        """Return what the model says of every structure, in their order; those it cannot take say why.

        Args:
            structures: The crystals.
            element: Absorbing element.
            edge: Absorption edge.
            fidelity: What to predict, where the model knows several.
            cache: Where features are kept.
            n_processes: Processes that encode.
            on_done: Told how many structures are done.

        Raises:
            InputError: The model was not trained on the absorber, edge or fidelity.
        """
        chosen = self.channel(element, edge, fidelity)
        answers: list[MaterialPrediction | Unpredicted] = []
        for begin in range(0, len(structures), _BATCH):
            answers += self._predict_batch(
                structures[begin : begin + _BATCH], element, Edge.parse(edge), chosen, cache, n_processes
            )
            on_done(len(answers))
        return answers

    def _predict_batch(
        self,
        structures: Sequence[NamedStructure],
        element: str,
        edge: Edge,
        fidelity: str,
        cache: FeatureCache | None,
        n_processes: int,
    ) -> list[MaterialPrediction | Unpredicted]:
        from whiteline.models.features import featurise

        found: list[list[Absorber] | Unpredicted] = [_absorbers(named, element, edge) for named in structures]
        asked = [(i, own) for i, own in enumerate(found) if not isinstance(own, Unpredicted)]
        made = featurise(
            [structures[i] for i, _ in asked],
            [[absorber.site_index for absorber in own] for _, own in asked],
            encoder=self.encoder,
            cache=cache,
            workers=n_processes,
        )
        answers: list[MaterialPrediction | Unpredicted | None] = [
            own if isinstance(own, Unpredicted) else None for own in found
        ]
        rows: list[tuple[int, Absorber]] = []
        features = []
        for i_asked, (i, absorbers) in enumerate(asked):
            own = made.features[i_asked]
            if own is None:
                answers[i] = Unpredicted(structures[i].name, structures[i].source, made.failures[i_asked])
                continue
            rows += [(i, absorber) for absorber in absorbers]
            features.append(own)
        if rows:
            sites = self._predict_sites(np.concatenate(features), [absorber for _, absorber in rows], fidelity)
            for i in dict.fromkeys(i for i, _ in rows):
                own_sites = tuple(site for (i_row, _), site in zip(rows, sites, strict=True) if i_row == i)
                answers[i] = MaterialPrediction(
                    name=structures[i].name,
                    source=structures[i].source,
                    fidelity=fidelity,
                    sites=own_sites,
                    source_checksum=structures[i].source_checksum,
                )
        return [answer for answer in answers if answer is not None]

    def _predict_sites(
        self, features: Float[Any, "site feature"], absorbers: Sequence[Absorber], fidelity: str
    ) -> list[SitePrediction]:
        n_site = len(absorbers)
        elements = [absorber.element for absorber in absorbers]
        predicted = self.model.predict(
            features,
            elements,
            edges=[absorber.edge.value for absorber in absorbers],
            fidelities=[fidelity] * n_site,
            encoder=self.encoder.id,
        )
        domain = None if self.model.domain is None else self.model.domain.check(features, elements)
        return [
            SitePrediction(
                absorber=absorber,
                spectrum=self._spectrum(predicted.mean[i], float(predicted.zeros[i])),
                half_widths={
                    float(level): half[i] for level, half in zip(predicted.levels, predicted.half_widths, strict=True)
                },
                spread=predicted.spread[i],
                distance=None if domain is None else float(domain.distances[i]),
                threshold=None if domain is None else domain.threshold,
                nearest=() if domain is None else domain.nearest[i][:_N_NEAREST],
            )
            for i, absorber in enumerate(absorbers)
        ]

    def _spectrum(self, values: Float[Array, " energy"], zero: float) -> Spectrum:
        reference = EnergyReference(self.model.card.lineage.get("energy_reference", "absolute"))
        return Spectrum(
            self.model.points + zero,
            values,
            energy_reference=reference,
            scale=1.0 if self.model.unit == "Mbarn" else None,
        )


def _absorbers(named: NamedStructure, element: str, edge: Edge) -> list[Absorber] | Unpredicted:
    try:
        return find_absorbers(named.structure, element, edge)
    except WhitelineError as error:
        return Unpredicted(named.name, named.source, str(error))
