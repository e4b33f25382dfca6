"""Dependencies point one way: vocabulary, then calculators, models and database, then workflows and command line."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MIDDLE = ("calculators", "models", "database")
ABOVE = ("workflows", "cli")
# The door names what lies behind it; it loads nothing before it is asked to.
VOCABULARY = sorted(
    path
    for folder in ("whiteline", "whiteline/provenance")
    for path in (ROOT / folder).glob("*.py")
    if path != ROOT / "whiteline" / "__init__.py"
)


def imported_subpackages(path: Path) -> set[str]:
    """Return the subpackages of `whiteline` that a file imports, at its top or inside a function."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.split(".")[1] for name in names if name.startswith("whiteline.")}


def test_the_scan_sees_an_import_when_there_is_one() -> None:
    assert "calculators" in imported_subpackages(ROOT / "calculators" / "interface.py") | imported_subpackages(
        ROOT / "calculators" / "feff" / "__init__.py"
    )


@pytest.mark.parametrize("path", VOCABULARY, ids=lambda path: path.name)
def test_the_vocabulary_imports_nothing_above_it(path: Path) -> None:
    assert imported_subpackages(path).isdisjoint({*MIDDLE, *ABOVE})


@pytest.mark.parametrize("name", MIDDLE)
def test_calculators_models_and_database_know_neither_each_other_nor_what_is_above(name: str) -> None:
    forbidden = {*MIDDLE, *ABOVE} - {name}
    files = sorted((ROOT / name).rglob("*.py"))
    assert files
    assert {str(file): imported_subpackages(file) & forbidden for file in files} == {str(file): set() for file in files}


def test_workflows_do_not_know_the_command_line() -> None:
    assert all("cli" not in imported_subpackages(file) for file in (ROOT / "workflows").rglob("*.py"))
