"""Predictions kept in the store beside computed spectra, marked as what they are, each once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from whiteline.calculators.interface import Outcome
from whiteline.database.documents import DocumentKind, SpectrumDocument
from whiteline.fingerprint import calculation_id
from whiteline.provenance import Kind, ProvenanceRecord, library_versions, utc_now
from whiteline.status import Check, Status
from whiteline.workflows.jobs import material_id, site_document
from whiteline.workflows.learning.names import MODEL_CODE, PREDICTION_FILE
from whiteline.workflows.learning.recording import LEARNING_LIBRARIES
from whiteline.workflows.recording import source_file

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore
    from whiteline.spectrum import Spectrum
    from whiteline.workflows.learning.prediction import MaterialPrediction, Predictor, SitePrediction

__all__ = ["site_prediction_id", "store_prediction"]


def site_prediction_id(prediction: MaterialPrediction, site: SitePrediction, predictor: Predictor) -> str:
    """Return the identity of a prediction: site, edge, model and what of it is predicted."""
    return calculation_id(
        site.absorber.site_id,
        edge=site.absorber.edge,
        code=MODEL_CODE,
        parameters=_parameters(prediction, predictor),
    )


def store_prediction(store: SpectrumStore, prediction: MaterialPrediction, predictor: Predictor) -> tuple[str, int]:
    """Store the sites and the material of a prediction, as the code `model`; return the material's id and the number
    of spectra that were new.

    A prediction is `converged` only where all its sites are like those that the model was trained on; elsewhere it is
    `unconverged`, with the reason. The same prediction is stored once.

    Raises:
        StoreError: The store cannot be written.
    """
    started = utc_now()
    ids = [site_prediction_id(prediction, site, predictor) for site in prediction.sites]
    items: list[tuple[SpectrumDocument, ProvenanceRecord, dict[str, bytes]]] = []
    for spectrum_id, site in zip(ids, prediction.sites, strict=True):
        outcome = _outcome(site, predictor)
        document = site_document(spectrum_id, site.absorber, outcome, **_common(prediction, predictor))
        if not store.has(spectrum_id):
            items.append(
                (
                    document,
                    _record(document, prediction, predictor, started),
                    _file(site.spectrum, site.half_widths, site),
                )
            )
    shares = [{"id": each, "multiplicity": n} for each, n in zip(ids, prediction.multiplicities, strict=True)]
    identity = material_id(shares)
    if not store.has(identity):
        material = replace(
            site_document(
                identity,
                prediction.sites[0].absorber,
                _material_outcome(prediction, predictor),
                **_common(prediction, predictor),
            ),
            kind=DocumentKind.MATERIAL,
            site_id="",
            site_index=None,
            multiplicity=sum(prediction.multiplicities),
            parents=tuple(ids),
        )
        items.append(
            (
                material,
                _record(material, prediction, predictor, started),
                _file(prediction.spectrum, prediction.half_widths, None),
            )
        )
    return identity, store.put_many(items) if items else 0


def _parameters(prediction: MaterialPrediction, predictor: Predictor) -> dict[str, Any]:
    return {"model": predictor.id, "encoder": predictor.encoder.id, "fidelity": prediction.fidelity}


def _common(prediction: MaterialPrediction, predictor: Predictor) -> dict[str, Any]:
    return {
        "code": MODEL_CODE,
        "parameters": _parameters(prediction, predictor),
        "source": prediction.source,
        "fidelity": f"{MODEL_CODE}:{predictor.name}",
    }


def _outcome(site: SitePrediction, predictor: Predictor) -> Outcome:
    checks = _checks(site, predictor)
    missed = [check for check in checks if not check.is_passed]
    return Outcome(
        Status.UNCONVERGED if missed else Status.CONVERGED,
        spectrum=site.spectrum,
        reason="; ".join(f"{check.name}: {check.detail}" for check in missed),
        checks=checks,
        code_version=library_versions()["whiteline"],
    )


def _material_outcome(prediction: MaterialPrediction, predictor: Predictor) -> Outcome:
    outside = [site for site in prediction.sites if not site.is_inside]
    reason = "; ".join(f"site {site.absorber.site_index}: {_domain_check(site, predictor).detail}" for site in outside)
    return Outcome(
        Status.UNCONVERGED if outside else Status.CONVERGED,
        spectrum=prediction.spectrum,
        reason=reason,
        checks=tuple(
            replace(check, name=f"site {site.absorber.site_index}: {check.name}")
            for site in prediction.sites
            for check in _checks(site, predictor)
        ),
        code_version=library_versions()["whiteline"],
    )


def _checks(site: SitePrediction, predictor: Predictor) -> tuple[Check, ...]:
    widths = ", ".join(f"{level:.0%} within ±{half.mean():.3g}" for level, half in site.half_widths.items())
    return (
        _domain_check(site, predictor),
        Check("error bars", is_passed=True, detail=f"{widths} on average" if widths else "the model has none"),
    )


def _domain_check(site: SitePrediction, predictor: Predictor) -> Check:
    if site.is_inside is None or site.distance is None or site.threshold is None:
        return Check("domain", is_passed=False, detail="the model keeps no training set to compare with")
    names = predictor.material_names
    near = f"; nearest: {', '.join(names.get(each, each) for each in site.nearest)}" if site.nearest else ""
    where = "inside" if site.is_inside else "far from the training set"
    return Check(
        "domain", site.is_inside, f"{where}, distance {site.distance:.3g} of at most {site.threshold:.3g}{near}"
    )


def _record(
    document: SpectrumDocument, prediction: MaterialPrediction, predictor: Predictor, started: str
) -> ProvenanceRecord:
    versions = library_versions(*LEARNING_LIBRARIES)
    return ProvenanceRecord(
        activity="predict",
        used={
            Kind.SOURCE: source_file(prediction.source, prediction.source_checksum),
            Kind.STRUCTURE: {"structure": document.structure_id},
            Kind.SITE: {"site": document.site_id},
            Kind.MODEL: {"model": predictor.id},
            Kind.ENCODER: {"encoder": predictor.encoder.id},
            Kind.SPECTRUM: {f"site {i}": each for i, each in enumerate(document.parents)},
        },
        generated={Kind.SPECTRUM: {"spectrum": document.id}},
        code=MODEL_CODE,
        code_version=document.code_version,
        libraries=versions,
        parameters={**document.parameters, "model folder": predictor.folder},
        started_at=started,
        ended_at=utc_now(),
    )


def _file(spectrum: Spectrum, half_widths: Any, site: SitePrediction | None) -> dict[str, bytes]:
    content: dict[str, Any] = {
        "energy": spectrum.energy.tolist(),
        "half_widths": {f"{level:g}": half.tolist() for level, half in half_widths.items()},
    }
    if site is not None:
        content |= {
            "spread": site.spread.tolist(),
            "distance": site.distance,
            "threshold": site.threshold,
            "nearest": list(site.nearest),
        }
    return {PREDICTION_FILE: (json.dumps(content) + "\n").encode()}
