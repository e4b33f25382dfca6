"""Blocks of stored arrays: what does not fit is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from whiteline.database.curves import CURVE_COLUMNS, StoredCurve, assemble_block
from whiteline.errors import CorruptStoreError


def stored(**changes: Any) -> StoredCurve:
    """Return a spectrum of three points."""
    columns = ("ab12", *[""] * (len(CURVE_COLUMNS) - 1))
    return StoredCurve(columns, "cross_section", None, 1, None, np.arange(3.0).tobytes())._replace(**changes)


AXES = {1: np.arange(3.0).tobytes()}


@pytest.mark.parametrize(
    "changes", [{"components": b"12345678"}, {"components": b"123"}, {"weights": bytes(16)}, {"grid": 2}]
)
def test_arrays_that_do_not_fit_their_axis_are_named(changes: dict[str, Any]) -> None:
    with pytest.raises(CorruptStoreError, match=r"spectrum ab12 in here is damaged .*do not fit its axis"):
        assemble_block([stored(), stored(**changes)], AXES, address="here")


def test_components_are_averaged_by_their_weights() -> None:
    two = {"weights": np.array([0.25, 0.75]).tobytes(), "components": np.arange(6.0).tobytes()}
    block = assemble_block([stored(), stored(**two), stored()], AXES, address="here")
    rows = {int(place): row for part in block.parts for place, row in zip(part.places, part.intensity, strict=True)}
    assert [rows[i].tolist() for i in range(3)] == [[0.0, 1.0, 2.0], [2.25, 3.25, 4.25], [0.0, 1.0, 2.0]]


def test_nothing_is_an_empty_block() -> None:
    assert len(assemble_block([], {}, address="here")) == 0
