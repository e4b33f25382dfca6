"""The page, the README and the script: what comes from elsewhere stays text."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

from whiteline.workflows.publishing.reproducing import one_line, training_command


def test_the_page_says_what_it_is_and_escapes_all_of_it(model: Path, dataset: Path) -> None:
    page = (model / "ro-crate-preview.html").read_text(encoding="utf-8")
    assert "Copper &lt;b&gt;K&lt;/b&gt; &amp; &#x27;more&#x27;" in page
    assert "<b>K</b>" not in page
    assert "<script" not in page
    page = (dataset / "ro-crate-preview.html").read_text(encoding="utf-8")
    assert "ODbL &lt;1.0&gt;" in page
    assert "10 of 12 spectra name no licence; the publisher puts them under CC-BY-4.0." in page
    assert 'href="https://doi.org/10.1038/cuo"' in page
    assert page.count("data:image/png;base64,") == 2


def test_the_readme_keeps_a_title_on_its_line_and_shows_marks_as_they_are(model: Path) -> None:
    lines = (model / "README.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == r"# Copper \<b\>K\</b\> & 'more' \# heading"
    assert r"a\*b" in lines


def test_the_script_is_one_that_the_shell_reads(dataset: Path, model: Path) -> None:
    for crate in (dataset, model):
        bash = shutil.which("bash") or "bash"
        subprocess.run([bash, "-n", str(crate / "reproduce.sh")], check=True)
        pins = (crate / "requirements.txt").read_text(encoding="utf-8").splitlines()
        assert any(line.startswith("whiteline==") for line in pins)


def test_a_name_cannot_add_a_line_to_the_script() -> None:
    assert one_line("copper\nrm -rf ~\r\u2028x\x1b[0m") == "copper rm -rf ~ x [0m"


def test_a_training_command_says_what_the_plan_says() -> None:
    plan = {
        "kind": "ensemble",
        "seeds": [0, 1],
        "encoder": {"name": "soap", "blocks": []},
        "values": {"n_epochs": 3, "activation": "silu; rm"},
        "fractions": [0.8, 0.1, 0.1],
        "split_by": "formula",
        "architecture": "residual-mlp",
        "parent": "",
    }
    words = training_command(plan, "data", "out")
    assert words[:4] == ["whiteline", "train", "ensemble", "data"]
    assert shlex.split(shlex.join(words)) == words
    assert {"--encoder", "soap", "--seeds", "0,1", "n_epochs=3", 'activation="silu; rm"'} <= set(words)
