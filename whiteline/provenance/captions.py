"""The words of a node in a picture. What records say was written by others: here it becomes plain, bounded lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from whiteline.provenance.graph import Node
from whiteline.provenance.kinds import Kind

__all__ = ["GROUP", "among", "counted", "details", "headline", "is_group", "plain", "warnings_of"]

# How the ids of groups begin: nodes that stand for several.
GROUP = "group:"
_PLURALS = {Kind.SPECTRUM: "spectra", Kind.SPECTRA: "lists of spectra", Kind.LIBRARIES: "sets of libraries"}
_N_NAMED = 3
_N_MINUTE = 16  # characters of ISO 8601 up to the minute


def is_group(node: Node) -> bool:
    """Whether a node stands for several."""
    return node.id.startswith(GROUP)


def plain(text: str) -> str:
    """Return text on one line, without characters that control a terminal or turn the direction of writing.

    >>> plain("a\\n b\\x1b[31m")
    'a b?[31m'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def counted(kinds: Mapping[Kind, int]) -> str:
    """Return how many there are of each kind, most of all first.

    >>> counted({Kind.SITE: 1, Kind.SPECTRUM: 2})
    '2 spectra, 1 site'
    """
    numbers = sorted(kinds.items(), key=lambda each: -each[1])
    words = ", ".join(f"{n:,} {kind.words if n == 1 else _PLURALS.get(kind, f'{kind.words}s')}" for kind, n in numbers)
    # Pictures cut long lists.
    return words if len(kinds) <= _N_NAMED else f"{sum(kinds.values()):,} in all: {words}"


def among(labels: Sequence[str], names: Sequence[str] = ()) -> str:
    """Return what several things have in common, and in what the first and the last of them differ.

    Args:
        labels: What each is called, in parts with commas between.
        names: What they are called by others, for where the labels are all the same.

    >>> among(["TiO2, Ti site 0, converged", "TiO2, Ti site 1, converged"])
    'TiO2, converged: Ti site 0, Ti site 1'
    """
    parts = [label.split(", ") for label in labels]
    common = [part for part in dict.fromkeys(parts[0] if parts else ()) if all(part in each for each in parts)]
    apart = [", ".join(part for part in each if part not in common) for each in parts]
    found = [each for each in dict.fromkeys(apart if any(apart) else names) if each and each not in common]
    shown = found if len(found) <= _N_NAMED else [*found[: _N_NAMED - 1], "…", found[-1]]
    return ": ".join(words for words in (", ".join(common), ", ".join(shown)) if words)


def headline(node: Node) -> str:
    """Return what a node is: its kind, or how many of which kinds it stands for."""
    return plain(node.label) if is_group(node) else node.kind.words


def details(node: Node) -> list[str]:
    """Return what is said of a node below its headline, the id not included; empty lines are left out."""
    if is_group(node):
        said = [node.facts.get("among them", "")]
    elif node.kind.prov_type == "agent":
        said = [node.label, ", ".join(f"{name} {value}" for name, value in node.facts.items())]
    else:
        said = [node.label if node.label not in (node.kind, node.kind.words) else ""]
    if node.kind is Kind.ACTIVITY and not is_group(node):
        when = node.facts.get("started", "")[:_N_MINUTE].replace("T", " ")
        said.append(", ".join(part for part in (when, node.facts.get("took", "")) if part))
    return [line for line in map(plain, said) if line]


def warnings_of(node: Node) -> list[str]:
    """Return why to beware of a node; empty where nothing is known."""
    suspect = f"suspect: {plain(node.suspect)}" if node.suspect else ""
    return [words for words in (plain(node.problem), suspect) if words]
