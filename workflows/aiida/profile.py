"""Profiles and archives of AiiDA, opened without a broker, with errors in our words."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whiteline.database.optional import load_optional
from whiteline.errors import ParameterError, ParseError, SchemaVersionError, StoreError, did_you_mean

__all__ = ["create_profile", "opened_archive", "opened_profile", "profile_names", "require_aiida"]


def require_aiida(purpose: str = "AiiDA") -> None:
    """Make sure that aiida-core is installed, and let it read its configuration, quietly.

    Raises:
        MissingDependencyError: It is not installed.
    """
    with warnings.catch_warnings():
        # It tells of the folder that it makes for itself, and of what will change in its next version.
        warnings.simplefilter("ignore")
        configuration = load_optional("aiida.manage.configuration", purpose=purpose, extra="aiida")
        configuration.get_config(create=True)


def profile_names() -> list[str]:
    """Return the names of this user's profiles; none where AiiDA was never set up."""
    require_aiida()
    from aiida.manage.configuration import get_config

    return list(get_config(create=True).profile_names)


def create_profile(name: str, *, email: str) -> None:
    """Make a profile that needs no server: SQLite beside AiiDA's configuration, no broker.

    Raises:
        ParameterError: There is one of this name, or the name is none.
        StoreError: It cannot be made.
    """
    require_aiida("a profile of AiiDA")
    from aiida.common.exceptions import AiidaException
    from aiida.manage.configuration import create_profile as make
    from aiida.manage.configuration import get_config

    if name in profile_names():
        raise ParameterError(f"there is an AiiDA profile {name!r} already: leave --create-profile out to write into it")
    if not name.isidentifier() and not name.replace("-", "_").isidentifier():
        raise ParameterError(f"the name of a profile has letters, digits, - and _, got {name!r}")
    config: Any = get_config(create=True)
    storage = Path(config.dirpath) / "repository" / name
    try:
        make(
            config,
            name=name,
            email=email,
            storage_backend="core.sqlite_dos",
            storage_config={"filepath": str(storage)},
            broker_backend=None,
        )
        if config.default_profile_name is None:
            config.set_default_profile(name)
        config.store()
    except (AiidaException, OSError) as error:
        raise StoreError(f"the AiiDA profile {name!r} cannot be made in {storage}: {error}") from error


@contextmanager
def opened_profile(name: str, *, must_be_writable: bool = False) -> Iterator[Any]:
    """Yield the storage of a profile, and let go of it afterwards.

    Raises:
        ParameterError: There is no such profile.
        StoreError: It cannot be opened, or not be written.
        SchemaVersionError: Its storage is of another version of AiiDA.
    """
    require_aiida("a profile of AiiDA")
    from aiida.common.exceptions import AiidaException, IncompatibleStorageSchema
    from aiida.manage import get_manager
    from aiida.manage.configuration import profile_context

    names = profile_names()
    if name not in names:
        raise ParameterError(f"there is no AiiDA profile {name!r}: {_known(name, names)}")
    try:
        with profile_context(name, allow_switch=True):
            storage = get_manager().get_profile_storage()
            if must_be_writable and storage.read_only:
                raise StoreError(
                    f"the AiiDA profile {name!r} is read-only, as archives are: choose another, or make one with "
                    "--create-profile"
                )
            yield storage
    except IncompatibleStorageSchema as error:
        raise SchemaVersionError(
            f"the AiiDA profile {name!r} is of another version: `verdi -p {name} storage migrate` ({error})"
        ) from error
    except AiidaException as error:
        raise StoreError(f"the AiiDA profile {name!r} cannot be used: {error}") from error


def _known(name: str, names: list[str]) -> str:
    how = "`verdi presto`, or --create-profile here, makes one"
    return f"{did_you_mean(name, names)} – {how}" if names else f"there is none at all; {how}"


@contextmanager
def opened_archive(path: Path) -> Iterator[Any]:
    """Yield the storage of an archive, which is read-only; no profile is needed, and none is changed.

    Raises:
        ParseError: It is no archive, or cut off.
        SchemaVersionError: It is of another version than this AiiDA reads.
    """
    require_aiida("an archive of AiiDA")
    from aiida.common.exceptions import AiidaException, IncompatibleStorageSchema
    from aiida.storage.sqlite_zip.backend import SqliteZipBackend

    try:
        storage = SqliteZipBackend(SqliteZipBackend.create_profile(str(path)))
    except IncompatibleStorageSchema as error:
        raise SchemaVersionError(
            f"{path} is an archive of another version of AiiDA: `verdi archive migrate {path} NEW` ({error})"
        ) from error
    except (AiidaException, OSError, ValueError, KeyError) as error:
        raise ParseError(f"{path} is no archive of AiiDA, or was cut off: {error}") from error
    try:
        yield storage
    finally:
        storage.close()
