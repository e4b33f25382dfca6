"""The actions of a crate: what was computed, frozen and trained, by which software, when and from what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from whiteline.workflows.publishing.citing import n_spectra
from whiteline.workflows.publishing.origin import Calculations, Origin
from whiteline.workflows.publishing.reproducing import one_line
from whiteline.workflows.publishing.subject import Subject, SubjectKind

__all__ = ["add_actions", "alone"]

# Where the codes are from; a code of this list is an application with an address, others are named only.
_ADDRESSES: Final = {
    "feff": "https://feff.phys.washington.edu/",
    "xspectra": "https://www.quantum-espresso.org/",
    "ocean": "https://feff.phys.washington.edu/OCEAN/",
    "vasp": "https://www.vasp.at/",
    "exciting": "https://exciting-code.org/",
}
_DATA: Final = ("data/spectra.parquet", "data/structures.jsonl.gz", "data/manifest.json")
_WEIGHTS: Final = ("model/config.json", "model/weights.safetensors", "model/card.json")
# Of a calculation with its own software; experiments were not computed.
_NOT_COMPUTED: Final = {"experiment": "measured"}


def add_actions(rocrate: Any, crate: Any, subject: Subject, origin: Origin, people: Sequence[Any]) -> list[Any]:
    """Add the actions and their software to a crate; return the actions, the making as a whole at the front."""
    parts = _present(crate, _WEIGHTS if subject.kind is SubjectKind.MODEL else _DATA)
    starts = [group.started for group in origin.calculations if group.started]
    if origin.making is not None:
        starts.append(origin.making.started_at)
    common = {"agent": alone(people)} if people else {}
    whole = _action(
        rocrate,
        crate,
        "#making",
        f"Making of {one_line(subject.name)}",
        "All steps taken as one run, put together from their records. reproduce.sh was written afterwards and states "
        "the commands of these steps; the run itself was not of that file.",
        {
            "instrument": crate.dereference("reproduce.sh"),
            "result": alone(parts),
            **common,
            **_times(starts, subject.created),
        },
    )
    steps = [_calculation(rocrate, crate, i, group, common) for i, group in enumerate(origin.calculations, 1)]
    return [whole, *steps, _last_step(rocrate, crate, subject, origin, parts, common)]


def _last_step(
    rocrate: Any, crate: Any, subject: Subject, origin: Origin, parts: list[Any], common: Mapping[str, Any]
) -> Any:
    is_model = subject.kind is SubjectKind.MODEL
    record = origin.making
    name = f"{'Training' if is_model else 'Freezing'} of {one_line(subject.name)}"
    words = f"By Whiteline {one_line(subject.whiteline_version)}"
    words += f" on {one_line(record.host)}." if record is not None and record.host else "; no record names the machine."
    version = record.code_version if record is not None and record.code_version else subject.whiteline_version
    software = _application(rocrate, crate, "whiteline", version)
    times = _times([record.started_at] if record is not None else [], record.ended_at if record else subject.created)
    used = _present(crate, ("lineage/lineage.json",) if is_model else ("data/structures.jsonl.gz",))
    properties = {
        "instrument": software,
        "result": alone(parts),
        **({"object": alone(used)} if used else {}),
        **common,
        **times,
    }
    return _action(rocrate, crate, "#training" if is_model else "#freezing", name, words, properties)


def _calculation(rocrate: Any, crate: Any, i_group: int, group: Calculations, common: Mapping[str, Any]) -> Any:
    code = one_line(f"{group.code} {group.code_version}")
    how = _NOT_COMPUTED.get(group.code, "computed")
    words = f"{n_spectra(group.n_spectra)} {how} with {code}"
    details = [f"{words}; {group.n_records} of them have a record of how."]
    if group.hosts:
        details.append(
            "Ran on " + ", ".join(f"{one_line(host)} ({n})" for host, n in sorted(group.hosts.items())) + "."
        )
    if group.executables:
        details.append("Executables: " + ", ".join(map(one_line, sorted(group.executables))) + ".")
    used = _present(crate, ("data/structures.jsonl.gz",))
    made = _present(crate, ("data/spectra.parquet",)) or _present(crate, ("model/spectra.json",))
    properties = {
        "instrument": _application(rocrate, crate, group.code, group.code_version),
        **({"object": alone(used)} if used else {}),
        **({"result": alone(made)} if made else {}),
        **common,
        **_times([group.started] if group.started else [], group.ended),
    }
    return _action(rocrate, crate, f"#calculations-{i_group}", words, " ".join(details), properties)


def _action(
    rocrate: Any, crate: Any, identifier: str, name: str, description: str, properties: Mapping[str, Any]
) -> Any:
    given = {
        "@type": "CreateAction",
        "name": name,
        "description": description,
        **properties,
    }
    return crate.add(rocrate.ContextEntity(crate, identifier, properties=given))


def _application(rocrate: Any, crate: Any, code: str, version: str) -> Any:
    """Return the software in a version, as an entity that all its actions share."""
    address = _ADDRESSES.get(code)
    # Two versions are two programs; a fragment tells them apart where the address is the same.
    fragment = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in f"{code} {version}").split())
    identifier = f"{address or 'urn:whiteline:software'}#{fragment or 'unknown'}".replace("software#", "software:")
    properties: dict[str, Any] = {"@type": "SoftwareApplication", "name": one_line(code) or "unknown"}
    if version:
        properties["softwareVersion"] = one_line(version)
    if address:
        properties["url"] = {"@id": address}
    return crate.add(rocrate.ContextEntity(crate, identifier, properties=properties))


def alone(entities: Sequence[Any]) -> Any:
    """Return one entity as itself and several as a list, as RO-Crate wants it; None where there is none."""
    return list(entities) if len(entities) > 1 else next(iter(entities), None)


def _present(crate: Any, names: Sequence[str]) -> list[Any]:
    return [found for name in names if (found := crate.dereference(name)) is not None]


def _times(starts: Sequence[str], end: str) -> dict[str, str]:
    """Return when an action began and ended; no end where a clock that was set back would put it before the start."""
    if not starts:
        return {"endTime": end} if end else {}
    start = min(starts)
    if not end or datetime.fromisoformat(end) < datetime.fromisoformat(start).replace(microsecond=0):
        return {"startTime": start}
    # Cards of models tell the whole second only, which began before the job did.
    return {"startTime": start, "endTime": max(start, end, key=datetime.fromisoformat)}
