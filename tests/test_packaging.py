"""What is on the disk is what is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LINKED = ("calculators", "database", "models", "workflows")


@pytest.fixture(scope="module")
def setuptools_table() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    return table


def shipped_files() -> set[str]:
    """Return the files that a user needs, by their path inside the installed package."""
    homes = {"whiteline": ROOT / "whiteline", **{f"whiteline/{name}": ROOT / name for name in LINKED}}
    found = set()
    for inside, home in homes.items():
        for folder, subfolders, names in os.walk(home):
            subfolders[:] = [s for s in subfolders if s != "__pycache__" and not (Path(folder) / s).is_symlink()]
            relative = Path(folder).relative_to(home).as_posix()
            found |= {f"{inside}/{relative}/{name}".replace("/./", "/") for name in names if not name.startswith(".")}
    return found


def test_the_listed_packages_are_the_folders_on_the_disk(setuptools_table: dict[str, Any]) -> None:
    folders = {Path(file).parent.as_posix().replace("/", ".") for file in shipped_files()}
    assert sorted(folders) == sorted(setuptools_table["packages"])


def test_each_subpackage_is_a_top_level_folder_and_a_link_to_it(setuptools_table: dict[str, Any]) -> None:
    assert setuptools_table["package-dir"] == {
        "whiteline": "whiteline",
        **{f"whiteline.{name}": name for name in LINKED},
    }
    for name in LINKED:
        link = ROOT / "whiteline" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


@pytest.mark.parametrize("has_links", [True, False])
def test_a_wheel_holds_every_file_with_and_without_the_links(tmp_path: Path, has_links: bool) -> None:
    assert int(version("setuptools").split(".")[0]) >= 77, "the build needs `pip install -U 'setuptools>=77'`"
    source = tmp_path / "source"
    source.mkdir()
    for name in ("whiteline", *LINKED):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        if name in LINKED and not has_links:
            (source / "whiteline" / name).unlink()
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert held == shipped_files()
    assert {"whiteline/py.typed", "whiteline/calculators/feff/presets/fast.toml"} <= held
