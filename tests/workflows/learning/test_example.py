"""The documented script, as a user runs it, with small settings and the real FEFF."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "docs" / "examples" / "learn.sh"


def test_from_nothing_to_a_prediction_and_back_to_the_file_of_a_structure(tmp_path: Path) -> None:
    settings = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "200",
        "N_COPPER": "5",
        "N_NICKEL": "3",
        "EPOCHS": "5",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WHITELINE_")}
    done = subprocess.run(
        ["sh", str(SCRIPT), str(tmp_path / "learn")],  # noqa: S607  # whatever shell users have
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = json.loads((tmp_path / "learn" / "CuAg.json").read_text(encoding="utf-8"))["predictions"]
    assert found["id"]
    tree = done.stdout.rpartition("spectrum CuAg Cu K average, predicted by")[2]
    for words in ("model copper-tuned", "model universal", "dataset copper", "feff.inp (kept)", "structure Cu"):
        assert words in tree
    assert "crystals/copper/" in tree
    assert "source file unseen/CuAg.cif" in tree
    assert "MISSING" not in tree
    assert "CHANGED" not in tree
