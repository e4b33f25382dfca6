import json

import pytest

from whiteline.status import Check, Status


def test_only_a_failed_calculation_has_no_spectrum() -> None:
    assert [status for status in Status if not status.has_spectrum] == [Status.FAILED]


@pytest.mark.parametrize("check", [Check("scf", is_passed=True), Check("scf", is_passed=False, detail="100 of 100 Å")])
def test_a_check_survives_json(check: Check) -> None:
    assert Check.from_dict(json.loads(json.dumps(check.to_dict()))) == check


def test_a_status_is_stored_as_its_word() -> None:
    assert json.dumps(list(Status)) == '["converged", "unconverged", "failed"]'
