"""POTCAR files: which one an element gets, how many valence electrons it has, and where its text is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from whiteline.calculators.vasp.parameters import VaspParameters
from whiteline.errors import MissingDependencyError, ParameterError, did_you_mean
from whiteline.provenance import content_checksum

__all__ = [
    "RECOMMENDED",
    "VALENCE",
    "Potcar",
    "PotcarLibrary",
    "core_electrons",
    "element_of",
    "potential_symbols",
    "read_potcars",
    "valence_electrons",
]

# Valence electrons of the GW potentials of VASP's releases 5.4 and 6.4, as the VASP manual tabulates them
# (Available pseudopotentials, https://vasp.at/wiki/Available_pseudopotentials); the first of an element is the one
# recommended there.
_TABLE: Final = """
H_GW 1 H_h_GW 1 H_GW_new 1 He_GW 2 Li_sv_GW 3 Li_GW 1 Li_AE_GW 3 Be_sv_GW 4 Be_GW 2 B_GW 3 B_GW_new 3 B_h_GW 3
C_GW 4 C_GW_new 4 C_h_GW 4 C_s_GW 4 N_GW 5 N_GW_new 5 N_h_GW 5 N_s_GW 5 O_GW 6 O_GW_new 6 O_h_GW 6 O_s_GW 6
F_GW 7 F_GW_new 7 F_h_GW 7 Ne_GW 8 Ne_s_GW 8 Na_sv_GW 9 Mg_sv_GW 10 Mg_GW 2 Mg_pv_GW 8 Al_GW 3 Al_sv_GW 11
Si_GW 4 Si_sv_GW 12 P_GW 5 S_GW 6 Cl_GW 7 Ar_GW 8 K_sv_GW 9 Ca_sv_GW 10 Sc_sv_GW 11 Ti_sv_GW 12 V_sv_GW 13
Cr_sv_GW 14 Mn_sv_GW 15 Mn_GW 7 Fe_sv_GW 16 Fe_GW 8 Co_sv_GW 17 Co_GW 9 Ni_sv_GW 18 Ni_GW 10 Cu_sv_GW 19 Cu_GW 11
Zn_sv_GW 20 Zn_GW 12 Ga_d_GW 13 Ga_GW 3 Ga_sv_GW 21 Ge_d_GW 14 Ge_GW 4 Ge_sv_GW 22 As_GW 5 As_sv_GW 23 Se_GW 6
Se_sv_GW 24 Br_GW 7 Br_sv_GW 25 Kr_GW 8 Rb_sv_GW 9 Sr_sv_GW 10 Y_sv_GW 11 Zr_sv_GW 12 Nb_sv_GW 13 Mo_sv_GW 14
Tc_sv_GW 15 Ru_sv_GW 16 Rh_sv_GW 17 Rh_GW 9 Pd_sv_GW 18 Pd_GW 10 Ag_sv_GW 19 Ag_GW 11 Cd_sv_GW 20 Cd_GW 12
In_d_GW 13 In_sv_GW 21 Sn_d_GW 14 Sn_sv_GW 22 Sb_d_GW 15 Sb_GW 5 Sb_sv_GW 23 Te_GW 6 Te_sv_GW 24 I_GW 7 I_sv_GW 25
Xe_GW 8 Xe_sv_GW 26 Cs_sv_GW 9 Ba_sv_GW 10 La_GW 11 Ce_GW 12 Hf_sv_GW 12 Ta_sv_GW 13 W_sv_GW 14 Re_sv_GW 15
Os_sv_GW 16 Ir_sv_GW 17 Pt_sv_GW 18 Pt_GW 10 Au_sv_GW 19 Au_GW 11 Hg_sv_GW 20 Tl_d_GW 15 Tl_sv_GW 21 Pb_d_GW 16
Pb_sv_GW 22 Bi_d_GW 17 Bi_GW 5 Bi_sv_GW 23 Po_d_GW 18 Po_sv_GW 24 At_d_GW 17 At_sv_GW 25 Rn_d_GW 18 Rn_sv_GW 26
"""
VALENCE: Final = MappingProxyType(
    {symbol: float(count) for symbol, count in zip(_TABLE.split()[::2], _TABLE.split()[1::2], strict=True)}
)
RECOMMENDED: Final = MappingProxyType({s.split("_")[0]: s for s in reversed(VALENCE)})

_REMEDY = "set WHITELINE_VASP_POTCARS to the folder that pymatgen calls PMG_VASP_PSP_DIR"
_ZVAL = re.compile(r"ZVAL\s*=\s*([\d.]+)")
_TITEL = re.compile(r"TITEL\s*=\s*(\S.*?)\s*$", re.MULTILINE)
_LEXCH = re.compile(r"LEXCH\s*=\s*(\w+)")
_END = "End of Dataset"
_SUFFIXES = ("", ".gz", ".bz2", ".xz", ".Z")


@dataclass(frozen=True)
class Potcar:
    """One potential.

    Attributes:
        symbol: Name of the potential, e.g. `Ti_sv_GW`.
        title: What VASP prints as TITEL, e.g. `PAW_PBE Ti_sv_GW 05Dec2013`.
        valence: Number of valence electrons.
        exchange: LEXCH, e.g. `PE` or `CA`.
        text: The whole file, one line end at its end; empty where only its heading is known.
    """

    symbol: str
    title: str
    valence: float
    exchange: str
    text: str = ""

    @property
    def element(self) -> str:
        """Chemical symbol."""
        return element_of(self.title)

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return content_checksum(self.text.encode())


def element_of(title: str) -> str:
    """Return the element of a POTCAR's title.

    >>> element_of("PAW_PBE Ti_sv_GW 05Dec2013"), element_of("PAW S_GW 19Mar2012")
    ('Ti', 'S')
    """
    words = title.split()
    return re.split(r"[_.]", words[1])[0] if len(words) > 1 else ""


def read_potcars(text: str, *, source: str) -> list[Potcar]:
    """Return the potentials of a POTCAR file, in its order.

    Raises:
        ParameterError: The text is not a POTCAR, or its last potential is cut off.
    """
    *parts, rest = text.split(_END)
    if not parts or rest.strip():
        raise ParameterError(
            f"{source} is no whole POTCAR: expected one potential or more that each end with '{_END}'; copy it again"
        )
    found = []
    for part in parts:
        title, valence, exchange = _TITEL.search(part), _ZVAL.search(part), _LEXCH.search(part)
        if not title or not valence or not exchange or len(title.group(1).split()) < 2:
            raise ParameterError(f"{source} is no POTCAR: one of its potentials lacks TITEL, ZVAL or LEXCH")
        found.append(
            Potcar(
                symbol=title.group(1).split()[1],
                title=title.group(1),
                valence=float(valence.group(1)),
                exchange=exchange.group(1),
                text=f"{part.lstrip(chr(10))}{_END}\n",
            )
        )
    return found


@dataclass(frozen=True)
class PotcarLibrary:
    """A folder of POTCAR files as pymatgen lays them out.

    Attributes:
        root: The folder that holds one folder a functional; None where there is none.
        functional: pymatgen's name of the set.
    """

    root: Path | None
    functional: str

    @classmethod
    def find(cls, folder: Path | None, functional: str) -> PotcarLibrary:
        """Return the library in `folder`, or where pymatgen's own setting says (PMG_VASP_PSP_DIR)."""
        if folder is None:
            from pymatgen.core import SETTINGS

            setting = SETTINGS.get("PMG_VASP_PSP_DIR")
            folder = Path(setting).expanduser() if setting else None
        return cls(folder, functional)

    def read(self, symbol: str) -> Potcar:
        """Return a potential; its file is read once.

        Raises:
            MissingDependencyError: There is no library, or the potential is not in it.
            ParameterError: The file is no POTCAR, of another element or of another functional.
        """
        if self.root is None:
            raise MissingDependencyError(f"VASP's POTCAR files are not here: {_REMEDY}")
        path = _locate(self.root, self.functional, symbol)
        potcar = _read(path, path.stat().st_mtime_ns)
        if potcar.symbol != symbol:
            raise ParameterError(f"{path} holds {potcar.title!r}, expected {symbol}: put the right file there")
        expected = "CA" if self.functional.startswith("LDA") else "PE"
        if potcar.exchange != expected:
            raise ParameterError(
                f"{path} was made with LEXCH = {potcar.exchange}, expected {expected} for {self.functional}: put the "
                "right file there, or change `functional`"
            )
        return potcar


def _locate(root: Path, functional: str, symbol: str) -> Path:
    from pymatgen.core import SETTINGS
    from pymatgen.io.vasp.inputs import PotcarSingle

    subfolders = SETTINGS.get("PMG_VASP_PSP_SUB_DIRS") or {}
    folder = root / str(subfolders.get(functional, PotcarSingle.functional_dir[functional]))
    for stem in (f"POTCAR.{symbol}", f"{symbol}/POTCAR"):
        for suffix in _SUFFIXES:
            path = folder / f"{stem}{suffix}"
            if path.is_file():
                return path
    raise MissingDependencyError(
        f"no POTCAR of {symbol} in {folder} (tried POTCAR.{symbol} and {symbol}/POTCAR, packed or not): put it there, "
        f"choose another with potcars={{...}}, or {_REMEDY}"
    )


@lru_cache(maxsize=128)
def _read(path: Path, changed: int) -> Potcar:  # noqa: ARG001  # the time of change tells one file from another
    from monty.io import zopen

    with zopen(path, mode="rt", encoding="utf-8", errors="replace") as file:
        text = str(file.read())
    found = read_potcars(text, source=str(path))
    if len(found) != 1:
        raise ParameterError(f"{path} holds {len(found)} potentials, expected one: put the right file there")
    return found[0]


def potential_symbols(elements: Sequence[str], parameters: VaspParameters, *, absorber: str, n_core: int) -> list[str]:
    """Return the POTCAR symbol of each species.

    Where the recommended potential of the absorbing element has the excited level among its valence, as those of Li
    and Be have, the first that keeps it in the core is taken, for all atoms of the element.

    Args:
        elements: Elements of the species, in the order of the POSCAR.
        parameters: Parameters, whose `potcars` go before the recommended ones.
        absorber: The absorbing element.
        n_core: Electrons that the core must hold for the excited level to be in it.

    Raises:
        ParameterError: There is no GW potential of an element, or a symbol belongs to another element.
    """
    return [_symbol(element, parameters, n_core if element == absorber else 0) for element in elements]


def _symbol(element: str, parameters: VaspParameters, n_core: int) -> str:
    given = parameters.potcars.get(element)
    if given is not None:
        if element_of(f"PAW {given}") != element:
            raise ParameterError(f"potcars names {given!r} for {element}, expected a potential such as {element}_GW")
        return given
    if element not in RECOMMENDED:
        raise ParameterError(
            f"VASP has no GW potential of {element}: name one, e.g. potcars={{'{element}': '{element}_3'}}"
        )
    known = [symbol for symbol in VALENCE if symbol.split("_")[0] == element]
    holding = [symbol for symbol in known if core_electrons(symbol, VALENCE[symbol]) >= n_core]
    return next(iter(holding), RECOMMENDED[element])


def core_electrons(symbol: str, valence: float) -> float:
    """Return the number of electrons that a potential keeps in its core.

    >>> core_electrons("Ti_sv_GW", 12.0)
    10.0
    """
    from pymatgen.core import Element

    return float(Element(symbol.split("_")[0]).Z) - valence


def valence_electrons(symbol: str, library: PotcarLibrary) -> float:
    """Return the number of valence electrons of a potential, from its file where there is one, else from the table.

    Raises:
        MissingDependencyError: There is no file, and the potential is not in the table.
        ParameterError: As `PotcarLibrary.read`.
    """
    if library.root is not None:
        return library.read(symbol).valence
    if symbol not in VALENCE:
        raise MissingDependencyError(
            f"the number of valence electrons of {symbol} is not known ({did_you_mean(symbol, VALENCE)}): {_REMEDY}"
        )
    return VALENCE[symbol]
