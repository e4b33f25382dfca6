"""A lineage as PROV-JSON, https://www.w3.org/submissions/prov-json/, which tools of W3C PROV read.

Ids become qualified names: checksums of files `sha256:<digits>`, all others `whiteline:<id>`, with what such names
cannot hold as `%` and two digits a byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from whiteline.provenance.graph import LineageGraph, Node
from whiteline.provenance.kinds import Kind, Role

__all__ = ["prov_document"]

# Whiteline has no address of its own for names to begin with; these are to tell things apart, and lead nowhere.
_PREFIXES: Final = {"whiteline": "urn:x-whiteline:", "sha256": "hash://sha256/"}
_CHECKSUM = "sha256:"
# What may not stand in a local name, or not at its beginning or its end: https://www.w3.org/TR/prov-n/#prod-PN_LOCAL.
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.-]|^[.-]|\.$")
# Kinds of records, what they may link, and what they call the effect and the cause.
_RELATIONS: Final = {
    Role.USED: ("used", ("activity", "entity"), "prov:activity", "prov:entity"),
    Role.GENERATED: ("wasGeneratedBy", ("entity", "activity"), "prov:entity", "prov:activity"),
    Role.DERIVED: ("wasDerivedFrom", ("entity", "entity"), "prov:generatedEntity", "prov:usedEntity"),
    Role.ASSOCIATED: ("wasAssociatedWith", ("activity", "agent"), "prov:activity", "prov:agent"),
}
# What PROV says of any two where nothing nearer fits, e.g. in a graph whose nodes stand for several.
_INFLUENCE: Final = ("wasInfluencedBy", "prov:influencee", "prov:influencer")


def prov_document(graph: LineageGraph) -> dict[str, Any]:
    """Return the graph as a JSON-ready document of PROV-JSON: one record a node, one a link."""
    document: dict[str, dict[str, Any]] = {"prefix": dict(_PREFIXES)}
    for node in graph.nodes.values():
        document.setdefault(node.kind.prov_type, {})[_name(node.id)] = _element(node)
    for i, link in enumerate(graph.links, start=1):
        kind, ends, effect, cause = _RELATIONS[link.role]
        found = (graph.nodes[link.effect].kind.prov_type, graph.nodes[link.cause].kind.prov_type)
        if found != ends:
            kind, effect, cause = _INFLUENCE
        role = {"prov:role": link.name} if link.name and kind in ("used", "wasGeneratedBy") else {}
        document.setdefault(kind, {})[f"_:link{i}"] = {effect: _name(link.effect), cause: _name(link.cause), **role}
    return document


def _element(node: Node) -> dict[str, Any]:
    kinds = [_name(node.kind)]
    if node.kind in (Kind.SOFTWARE, Kind.EXECUTABLE, Kind.LIBRARIES):
        kinds.append("prov:SoftwareAgent")
    types: list[dict[str, str]] = [{"$": kind, "type": "xsd:QName"} for kind in kinds]
    told = {**node.facts, "problem": node.problem, "suspect": node.suspect}
    return {
        "prov:type": types[0] if len(types) == 1 else types,
        "prov:label": node.label or node.kind.words,
        **(dict(_times(node.facts)) if node.kind is Kind.ACTIVITY else {}),
        **{_name(name): value for name, value in told.items() if value},
    }


def _times(facts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield when a job began and ended, as far as that is known."""
    for name, fact in (("prov:startTime", "started"), ("prov:endTime", "ended")):
        with suppress(ValueError):
            yield name, datetime.fromisoformat(facts.get(fact, "")).isoformat()


def _name(text: str) -> str:
    """Return the qualified name of an id.

    >>> _name("sha256:0a1b"), _name("soap 3.1"), _name("c0ffee")
    ('sha256:0a1b', 'whiteline:soap%203.1', 'whiteline:c0ffee')
    """
    prefix, local = ("sha256", text.removeprefix(_CHECKSUM)) if text.startswith(_CHECKSUM) else ("whiteline", text)
    return f"{prefix}:{_FORBIDDEN.sub(_escaped, local)}"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogatepass"))
