import threading

import pytest

from whiteline.progress import Progress, report, watch

STEP = Progress("anatase Ti0 K", "potentials (SCF)", 12.0)


def test_a_report_without_a_watcher_goes_nowhere() -> None:
    report(STEP)


def test_a_watcher_gets_what_is_reported_inside_its_block_and_no_more() -> None:
    seen: list[Progress] = []
    with watch(seen.append):
        report(STEP)
    report(STEP)
    assert seen == [STEP]


def test_an_inner_watcher_takes_over_and_gives_back() -> None:
    outer: list[Progress] = []
    inner: list[Progress] = []
    with watch(outer.append):
        with watch(inner.append):
            report(STEP)
        report(STEP)
    assert (len(outer), len(inner)) == (1, 1)


def test_a_watcher_is_gone_after_an_error_in_its_block() -> None:
    seen: list[Progress] = []
    with pytest.raises(ZeroDivisionError), watch(seen.append):
        raise ZeroDivisionError
    report(STEP)
    assert seen == []


def test_a_watcher_does_not_see_the_reports_of_another_thread() -> None:
    seen: list[Progress] = []
    with watch(seen.append):
        thread = threading.Thread(target=report, args=(STEP,))
        thread.start()
        thread.join()
    assert seen == []
