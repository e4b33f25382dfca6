"""What differs between a run on record and the same run here, the likeliest reasons for other numbers at the front."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from whiteline.database.store import SpectrumStore
from whiteline.provenance import Kind, ProvenanceRecord, content_checksum, library_versions
from whiteline.workflows.rerun.potentials import changed_potentials, recorded_potentials
from whiteline.workflows.rerun.results import Difference, Ground, in_order

__all__ = ["changed_inputs", "find_differences"]

_N_LINES: Final = 60
# Characters; a line of a table of numbers may be long.
_N_WIDTH: Final = 160
_WHITELINE: Final = "whiteline"
_COMMENT_MARKS: Final = "*#!"


def find_differences(
    recorded: ProvenanceRecord, now: ProvenanceRecord, inputs: tuple[Difference, ...] = ()
) -> tuple[Difference, ...]:
    """Return all that two records say differently of how a result was made.

    Args:
        recorded: The record of the result.
        now: That of the same made here.
        inputs: What is known of the inputs (`changed_inputs`).
    """
    return in_order(
        [
            *inputs,
            *changed_potentials(recorded_potentials(recorded), recorded_potentials(now)),
            *_programs(recorded, now),
            *_libraries(recorded, now),
            *_circumstances(recorded, now),
        ]
    )


def changed_inputs(
    recorded: ProvenanceRecord, spectrum_id: str, store: SpectrumStore, texts: Mapping[str, str]
) -> tuple[Difference, ...]:
    """Return the input files that are written otherwise now, with the changed lines where the store kept the file.

    Args:
        recorded: The record, which has their checksums.
        spectrum_id: The spectrum whose raw files are looked at.
        store: Where it is.
        texts: The input files as they are written now.
    """
    then = recorded.used.get(Kind.INPUT, {})
    now = {name: content_checksum(text.encode()) for name, text in texts.items()}
    names = [name for name in (*then, *(n for n in now if n not in then)) if then.get(name) != now.get(name)]
    if not then or not names:
        return ()
    kept = {file.name for file in store.files(spectrum_id)}
    found = []
    for name in names:
        text = store.read_file(spectrum_id, name).decode(errors="replace") if name in kept else None
        detail = _detail(text, texts.get(name), then.get(name, ""), name)
        found.append(Difference(Ground.INPUT, name, then.get(name, ""), now.get(name, ""), detail))
    return tuple(found)


def _detail(then: str | None, now: str | None, checksum: str, name: str) -> str:
    if then is None:
        return "the store did not keep the file: which lines changed is not known" if checksum else ""
    if now is None:
        return "it is not written any more"
    lines = then.splitlines(), now.splitlines()
    head = []
    if content_checksum(then.encode()) != checksum:
        # Some codes write their input anew in their own words, and early versions kept that.
        lines = _words(lines[0]), _words(lines[1])
        head = ["the store keeps another file than the record names: without comments and spaces"]
        if lines[0] == lines[1]:
            return f"{head[0]} it says what is written now"
    found = difflib.unified_diff(*lines, f"{name} on record", f"{name} now", "", "", 1, "")
    shown = [*head, *(line[:_N_WIDTH] for line in found)]
    n_more = len(shown) - _N_LINES
    return "\n".join([*shown[:_N_LINES], *([f"… {n_more} more lines"] if n_more > 0 else [])])


def _words(lines: list[str]) -> list[str]:
    """Return the lines that say something, with one space between words."""
    split = (line.split() for line in lines)
    return [" ".join(words) for words in split if words and words[0][0] not in _COMMENT_MARKS]


def _programs(recorded: ProvenanceRecord, now: ProvenanceRecord) -> list[Difference]:
    found = []
    if recorded.code_version and now.code_version and recorded.code_version != now.code_version:
        found.append(Difference(Ground.PROGRAM, recorded.code, recorded.code_version, now.code_version))
    if now.executables:  # nothing is known of what did not run
        found += _other(Ground.PROGRAM, recorded.executables, now.executables)
    return found


def _libraries(recorded: ProvenanceRecord, now: ProvenanceRecord) -> list[Difference]:
    here = {**library_versions(*recorded.libraries), **now.libraries}
    found = _other(Ground.LIBRARY, recorded.libraries, here)
    if recorded.commit and now.commit and recorded.commit != now.commit:
        found.append(Difference(Ground.WHITELINE, "commit", recorded.commit[:12], now.commit[:12]))
    return [Difference(Ground.WHITELINE, d.name, d.recorded, d.now) if d.name == _WHITELINE else d for d in found]


def _circumstances(recorded: ProvenanceRecord, now: ProvenanceRecord) -> list[Difference]:
    found = []
    if recorded.cores and now.cores and recorded.cores != now.cores:
        found.append(Difference(Ground.CORES, "cores", str(recorded.cores), str(now.cores)))
    if any(attempt.get("continued") for attempt in recorded.attempts):
        found.append(Difference(Ground.CONTINUED, "run", "went on from an interrupted one", "from the start"))
    for name in ("host", "system"):
        then, here = getattr(recorded, name), getattr(now, name)
        if then and here and then != here:
            found.append(Difference(Ground.MACHINE, name, then, here))
    return found


def _other(ground: Ground, recorded: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Return what is on record and another here."""
    return [
        Difference(ground, name, each, now.get(name, "")) for name, each in recorded.items() if now.get(name) != each
    ]
