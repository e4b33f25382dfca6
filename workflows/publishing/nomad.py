"""A publication made ready for NOMAD: one folder a calculation, and `nomad.yaml` with what NOMAD is told of them.

NOMAD makes an entry of each file that one of its parsers knows (https://nomad-lab.eu/prod/v1/docs/reference/parsers.html):
outputs of VASP, exciting, Quantum ESPRESSO and OCEAN, and NeXus files. FEFF has no parser; its spectra, as all others,
are written as NXxas beside the raw files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from whiteline.errors import InputError
from whiteline.workflows.kept_files import may_be_kept
from whiteline.workflows.publishing.citing import address_of
from whiteline.workflows.publishing.reproducing import one_line
from whiteline.workflows.publishing.yaml_text import yaml_text

if TYPE_CHECKING:
    from whiteline.database.store import SpectrumStore
    from whiteline.workflows.publishing.publication import Publication

__all__ = ["CALCULATIONS", "METADATA_FILE", "prepare_nomad"]

CALCULATIONS: Final = "calculations"
METADATA_FILE: Final = "nomad.yaml"
_SPECTRUM: Final = "spectrum.nxs"


def prepare_nomad(folder: Path, publication: Publication) -> list[str]:
    """Write the calculations and `nomad.yaml` into a publication; return what its maker should know.

    Raises:
        InputError: There is no store, or none of the spectra is in it.
        MissingDependencyError: h5py is not installed.
    """
    subject, store = publication.subject, publication.origin.store
    if store is None:
        raise InputError("NOMAD takes raw files of calculations, and these are in a store: name it with --db")
    entries, n_missing = {}, 0
    for spectrum_id in sorted(subject.spectra):
        found = _write_calculation(folder / CALCULATIONS, store, spectrum_id)
        if found is None:
            n_missing += 1
            continue
        name, comment = found
        entries[f"{CALCULATIONS}/{name}/{_SPECTRUM}"] = {"comment": comment}
    if not entries:
        raise InputError(
            f"none of the {len(subject.spectra)} spectra is in {store.address}: name their store with --db"
        )
    (folder / METADATA_FILE).write_text(_metadata(publication, entries), encoding="utf-8")
    notes = ["NOMAD gives every upload the licence CC BY 4.0: make sure that it may be given here"]
    if n_missing:
        notes.append(f"{n_missing} of {len(subject.spectra)} spectra are not in {store.address}, and not for NOMAD")
    return notes


def _write_calculation(home: Path, store: SpectrumStore, spectrum_id: str) -> tuple[str, str] | None:
    """Write raw files and spectrum of a calculation; return the name of its folder, and words for its entry."""
    from whiteline.database.nexus import write_nexus

    document = store.find_by_id(spectrum_id)
    if document is None or document.spectrum is None:
        return None
    words = (document.formula or "sample", document.absorber, document.edge, document.code, document.id[:12])
    name = "-".join(re.sub(r"[^A-Za-z0-9.+]+", "_", word) for word in words).lstrip(".")
    place = home / name
    place.mkdir(parents=True)
    for file in store.files(spectrum_id):
        # A store of another program may hold what no licence lets pass on.
        if file.name != _SPECTRUM and may_be_kept(file.name):
            (place / file.name).parent.mkdir(parents=True, exist_ok=True)
            (place / file.name).write_bytes(store.read_file(spectrum_id, file.name))
    records = store.records(spectrum_id)
    write_nexus(place / _SPECTRUM, [(document, records[-1] if records else None)])
    code = f"{document.code} {document.code_version}".strip()
    comment = f"{document.formula} {document.absorber} {document.edge}, {code}, {document.fidelity}, {document.status}"
    licence = f"; licence of its source: {document.licence}" if document.licence else ""
    return name, one_line(f"{comment}; whiteline {document.id}{licence}")


def _metadata(publication: Publication, entries: dict[str, dict[str, str]]) -> str:
    content: dict[str, Any] = {
        "upload_name": publication.title,
        "comment": one_line(f"{publication.description} {publication.licensing.warning}"),
        # NOMAD takes addresses only.
        "references": list(dict.fromkeys(filter(None, map(address_of, publication.citations)))),
        "entries": entries,
    }
    people = [f"#   - {one_line(author.name)}" for author in publication.terms.authors]
    notes = [
        "# What NOMAD is told of this upload: https://nomad-lab.eu. Nothing has been sent anywhere.",
        "# NOMAD knows authors by their accounts: put the user names of these in, and take the marks away.",
        "# coauthors:",
        *(people or ["#   - nobody was named with --author"]),
        "# A dataset has to be there before its name may be given here:",
        f"# datasets: [{one_line(publication.subject.name)}]",
    ]
    return "\n".join(notes) + "\n" + yaml_text(content)
