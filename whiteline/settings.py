"""Machine facts: paths, commands, hosts. Physics never goes here."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from whiteline.errors import ParameterError, did_you_mean

__all__ = ["Settings", "load_settings"]

_PREFIX = "WHITELINE_"
# s; thirty years. Timers of the operating system take no infinity.
_LONGEST_TIMEOUT = 1.0e9


class Settings(BaseSettings):
    """What this machine offers; each field is read from the environment as `WHITELINE_<NAME>`.

    Attributes:
        database: Path of the embedded store, or a `mongodb://` address.
        run_directory: Folder in which run directories are made.
        keep_runs: Keep the run directories of finished calculations; those of failed ones always stay.
        feff_command: External FEFF executable (with arguments) to use instead of the FEFF10 wheel.
        pw_command: Command that starts pw.x of Quantum ESPRESSO, e.g. `mpirun -np 4 pw.x`.
        xspectra_command: Command that starts xspectra.x.
        ld1_command: Command that starts ld1.x, which makes pseudopotentials.
        ocean_command: Command that starts OCEAN's ocean.pl.
        exciting_command: Command that starts exciting.
        vasp_command: Command that starts VASP.
        pseudo_directory: Folder with pseudopotentials (UPF files), and where new ones are kept.
        exciting_species: Folder with exciting's species files; None where there is none.
        vasp_potcars: Folder with VASP's POTCAR files as pymatgen lays them out; None takes pymatgen's own setting.
        timeout: Longest wall time of one run of a code [s].
        most_repairs: How often a calculation that failed or did not converge is tried again with other parameters;
            0 turns that off.
        data: Folder with large reference data and pretrained models, if there is one.
        models: Folder of models: those trained here are kept in it, and pretrained weights are looked for below it.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True)

    database: str = Field(default_factory=lambda: str(user_data_path("whiteline") / "spectra.db"))
    run_directory: Path = Field(default_factory=lambda: user_data_path("whiteline") / "runs")
    keep_runs: bool = False
    feff_command: str = ""
    pw_command: str = "pw.x"
    xspectra_command: str = "xspectra.x"
    ld1_command: str = "ld1.x"
    ocean_command: str = "ocean.pl"
    exciting_command: str = "exciting_smp"
    vasp_command: str = "vasp_std"
    pseudo_directory: Path = Field(default_factory=lambda: user_data_path("whiteline") / "pseudopotentials")
    exciting_species: Path | None = None
    vasp_potcars: Path | None = None
    timeout: float = Field(default=24 * 3600.0, gt=0, le=_LONGEST_TIMEOUT)
    most_repairs: int = Field(default=4, ge=0, le=100)
    data: Path | None = None
    models: Path = Field(default_factory=lambda: user_data_path("whiteline") / "models")

    @field_validator("run_directory", "data", "models", "pseudo_directory", "exciting_species", "vasp_potcars")
    @classmethod
    def _expand_user(cls, value: Path | None) -> Path | None:
        return value.expanduser() if value else None


def load_settings(**overrides: Any) -> Settings:
    """Return the settings of this machine; `overrides` that are None do not count.

    Raises:
        ParameterError: A `WHITELINE_` variable is unknown or has a bad value.
    """
    known = {_PREFIX + name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(_PREFIX) and not name.startswith(f"{_PREFIX}TEST_") and name not in known:
            raise ParameterError(f"unknown environment variable {name}: {did_you_mean(name, sorted(known))}")
    try:
        return Settings(**{key: value for key, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = _PREFIX + str(first["loc"][0]).upper()
        raise ParameterError(f"setting {name}: {first['msg']}, got {first['input']!r}") from error
