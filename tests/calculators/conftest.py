"""Pseudopotentials that hold just what is looked at before a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from ase.data import atomic_numbers

CORES = {"Li": "1s", "C": "1s", "O": "1s", "Ti": "1s 2s 2p", "Fe": "1s 2s 2p", "Cu": "1s 2s 2p 3s 3p"}


def upf_text(
    element: str,
    *,
    hole: float = 0.0,
    functional: str = "PBE",
    kind: str = "USPP",
    n_mesh: int = 3,
    has_gipaw: bool = True,
    cutoff: float = 0.0,
) -> str:
    """Return a UPF file without physics: a mesh of a few points, and GIPAW data for s, p and d."""
    levels = CORES[element].split()
    n_core = sum(2 * (1 + 2 * "spd".index(level[1])) for level in levels)
    header = {
        "element": element,
        "pseudo_type": kind,
        "functional": functional,
        "relativistic": "scalar",
        "z_valence": atomic_numbers[element] - n_core + hole,
        "mesh_size": n_mesh,
        "has_gipaw": "T" if has_gipaw else "F",
        "wfc_cutoff": cutoff,
        "rho_cutoff": 10 * cutoff,
    }
    mesh = " ".join(f"{0.1 * i:.3f}" for i in range(1, n_mesh + 1))
    core = [_tag(f"PP_GIPAW_CORE_ORBITAL.{i}", mesh, n=m[0], l="spd".index(m[1])) for i, m in enumerate(levels, 1)]
    orbitals = [_tag(f"PP_GIPAW_ORBITAL.{i}", "", l=momentum) for i, momentum in enumerate((0, 0, 1, 1, 2, 2), 1)]
    gipaw = _tag("PP_GIPAW", _tag("PP_GIPAW_CORE_ORBITALS", "".join(core)) + "".join(orbitals))
    attributes = " ".join(f'{name}="{value}"' for name, value in header.items())
    body = _tag("PP_MESH", _tag("PP_R", mesh) + _tag("PP_RAB", mesh)) + _tag("PP_RHOATOM", mesh)
    return f'<UPF version="2.0.1">\n<PP_HEADER {attributes}/>\n{body}{gipaw if has_gipaw else ""}</UPF>\n'


def _tag(name: str, body: str, **attributes: object) -> str:
    words = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{words}>\n{body}\n</{name}>\n"


@pytest.fixture
def write_upf() -> Callable[..., str]:
    """A function that returns the text of a pseudopotential without physics."""
    return upf_text
