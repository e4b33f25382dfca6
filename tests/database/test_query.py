from typing import Any

import pytest

from whiteline.database import SpectrumQuery
from whiteline.errors import ParameterError
from whiteline.status import Status


@pytest.mark.parametrize(
    ("given", "name", "expected"),
    [
        ({"formula": "O4Ti2"}, "formula", "TiO2"),
        ({"chemical_system": "Ti-O"}, "chemical_system", "O-Ti"),
        ({"space_group": "P4_2/mnm"}, "space_group", 136),
        ({"space_group": "Fm-3m"}, "space_group", 225),
        ({"edge": "l2,3"}, "edge", "L23"),
        ({"status": "failed"}, "status", (Status.FAILED,)),
        ({"elements_any": "Ti"}, "elements_any", ("Ti",)),
        ({"created_after": "2026-01-05"}, "created_after", "2026-01-05T00:00:00.000+00:00"),
    ],
)
def test_equivalent_ways_to_ask_become_one(given: dict[str, Any], name: str, expected: object) -> None:
    assert getattr(SpectrumQuery(**given), name) == expected


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"absorber": "ti"}, "did you mean 'Ti'"),
        ({"elements_all": ("Ti", "Xx")}, "unknown element 'Xx'"),
        ({"status": "convergd"}, "did you mean 'converged'"),
        ({"kind": "materials"}, "did you mean 'material'"),
        ({"edge": "L9"}, "known: K, L1"),
        ({"sort": "-create_at"}, "did you mean 'created_at'"),
        ({"formula": "not a formula"}, "formula such as TiO2"),
        ({"space_group": 231}, "1 to 230"),
        ({"space_group": "Q4/mnm"}, "unknown space group"),
        ({"limit": 0}, "1 or more"),
        ({"skip": -1}, "0 or more"),
        ({"id_prefix": "%"}, "hexadecimal"),
        ({"created_before": "soon"}, "ISO 8601"),
    ],
)
def test_wrong_query_fails_at_once_and_says_what_is_known(given: dict[str, Any], hint: str) -> None:
    with pytest.raises(ParameterError, match=hint):
        SpectrumQuery(**given)


@pytest.mark.parametrize(
    "parameters",
    [
        {"$where": 1},
        {"a') OR 1=1 --": 1},
        {"a..b": 1},
        {"fms_radius": ("$gt", 1)},
        {"fms_radius": {"$gt": 1}},
        {"fms_radius": ("<", True)},
        {"fms_radius": ("in", "6.0")},
        {"fms_radius": float("nan")},
        {"fms_radius": 2**63},
    ],
)
def test_parameters_carry_no_operators_of_a_database(parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        SpectrumQuery(parameters=parameters)
