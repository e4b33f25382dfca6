from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Command

GRID = ["--grid", "edge-relative -10:35:0.5"]


@pytest.fixture
def copper(whiteline: Command, store: Path) -> Path:
    """A dataset of real calculations, with their store at the default address."""
    assert whiteline("dataset", "create", "copper", "-a", "Cu", *GRID).code == 0
    return Path("copper")


def test_a_dataset_is_published_and_checked(whiteline: Command, copper: Path) -> None:
    author = "Josiah Carberry <0000-0002-1825-0097>"
    answer = whiteline("publish", copper, "-o", "out", "--license", "CC-BY-4.0", "--author", author)
    assert answer.code == 0, answer.err
    assert "made out: " in answer.out
    assert "4 of 4 spectra name no licence; the publisher puts them under CC-BY-4.0" in answer.out
    assert whiteline("publish", "out", "--check").out == "out is as it was published\n"
    Path("out/README.md").write_text("mine", encoding="utf-8")
    answer = whiteline("publish", "out", "--check")
    assert (answer.code, answer.out.splitlines()[-1]) == (1, "out is NOT as it was published")
    assert answer.out.startswith("README.md was changed")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "out"], "4 of 4 spectra name no licence"),
        ([], "name the folder to make with -o"),
        (["-o", "out", "--licence", "CC-BY"], "SPDX identifier"),
        (["-o", "out", "--licence", "MIT", "--for", "zenodo"], "unknown Destination 'zenodo'"),
        (["-o", "copper", "--licence", "MIT"], "is there already"),
    ],
)
def test_what_cannot_be_published_is_refused(whiteline: Command, copper: Path, options: list[str], words: str) -> None:
    answer = whiteline("publish", copper, *options)
    assert answer.code == 1
    assert words in answer.err
    assert not Path("out").exists()
