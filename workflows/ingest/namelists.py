"""Fortran's namelists, as far as the inputs of Quantum ESPRESSO use them."""

from __future__ import annotations

import re

__all__ = ["read_namelists"]

_GROUP = re.compile(r"^\s*&(\w+)\s*$(.*?)^\s*/\s*$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z]\w*(?:\(\s*[\d,\s]+\))?)\s*=\s*('[^'\n]*'|\"[^\"\n]*\"|[^,\s!]+)")
_COMMENT = re.compile(r"^((?:[^'\"!\n]|'[^'\n]*'|\"[^\"\n]*\")*)!.*$", re.MULTILINE)
# Folders and names of files.
_MACHINE = ("dir", "prefix")


def read_namelists(text: str) -> dict[str, dict[str, str]]:
    """Return the values of each group, names in lower case and without machine facts.

    >>> read_namelists("&plot\\n xemin = -15.0, xgamma=0.8 ! eV\\n/\\n")
    {'plot': {'xemin': '-15.0', 'xgamma': '0.8'}}
    """
    groups = {}
    for name, body in _GROUP.findall(_COMMENT.sub(r"\1", text)):
        values = {key.lower().replace(" ", ""): value.strip("'\"") for key, value in _ASSIGNMENT.findall(body)}
        groups[name.lower()] = {key: value for key, value in sorted(values.items()) if not key.endswith(_MACHINE)}
    return groups
