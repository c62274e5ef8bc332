"""When what ended is settled: together where more is to come, at once where nothing is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from fanfold.ports.platform import Ended
from fanfold.runner import settling
from fanfold.runner.settling import TOGETHER, Settler
from tests.faults.small_job import until

END = Ended(0, 0.0, 0)


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What was settled together; runs are names here."""
    found: list[list[Any]] = []
    monkeypatch.setattr(settling, "settle", lambda ended: found.append([run for run, _ in ended]))
    return found


@contextmanager
def settler(report: Callable[[Sequence[Any]], None] = lambda _: None) -> Iterator[Callable[[Any, bool], None]]:
    """Adds a run, and says whether more is to come."""
    made = Settler(report, lambda: None)
    try:
        yield lambda run, more: made.add(run, END, more=more)
    finally:
        made.close()
    assert made.broken is None


def test_what_ends_while_more_is_to_come_is_settled_together(
    groups: list[list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "GATHER_S", 60.0)
    with settler() as add:
        for number in range(3):
            add(number, True)
        add("last", False)
        until("all are settled", lambda: groups == [[0, 1, 2, "last"]])


def test_what_ends_last_is_settled_at_once(groups: list[list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "GATHER_S", 60.0)
    with settler() as add:
        for number in range(2):
            add(number, False)
            until("it is settled", lambda: sum(groups, []) == list(range(number + 1)))  # noqa: B023, RUF017


def test_no_more_are_settled_together_than_that(groups: list[list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "GATHER_S", 60.0)
    with settler() as add:
        for number in range(TOGETHER):
            add(number, True)
        until("they are settled", lambda: groups == [list(range(TOGETHER))])


def test_nothing_waits_long_for_what_does_not_come(groups: list[list[Any]]) -> None:
    with settler() as add:
        add("alone", True)
        until("it is settled", lambda: groups == [["alone"]])


def test_what_has_ended_is_settled_before_the_end(groups: list[list[Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "GATHER_S", 60.0)
    told: list[Any] = []
    with settler(told.extend) as add:
        add("one", True)
    assert (groups, told) == ([["one"]], ["one"])
