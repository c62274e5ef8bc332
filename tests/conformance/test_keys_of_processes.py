"""Requests with an `Idempotency-Key` at several processes over one PostgreSQL: what one of them left unanswered another
takes over, at once where the first is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from fanfold.effects import Effects
from fanfold.errors import Conflict, Unavailable
from fanfold.services.idempotency import ORPHAN_AFTER, IdempotencyService
from fanfold.stores.idempotency import SqlIdempotency
from fanfold.stores.postgres import PostgresDatabase
from tests.conformance.postgres import eventually, shared_postgres
from tests.people import TurnedClock

OK = (200, "made")
WAIT_S = 20.0


class Killed(BaseException):
    """The process ends here."""


class Processes:
    """Processes over one database, their clocks turned together."""

    def __init__(self, stack: ExitStack) -> None:
        self.clock = TurnedClock()
        self._url = shared_postgres().new_database()
        self._stack = stack

    def another(self, waits_s: float = 0.0) -> tuple[PostgresDatabase, IdempotencyService]:
        """One whose requests wait for those of others for so long."""
        database = self._stack.enter_context(closing(PostgresDatabase(self._url, Effects())))
        return database, IdempotencyService(SqlIdempotency(database), self.clock, waits_s)


@pytest.fixture
def processes() -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(stack)


def sent(service: IdempotencyService) -> tuple[int, str]:
    return service.run("ann", "key", "hash", lambda: OK)


def cut_off_at(service: IdempotencyService, by: BaseException) -> None:
    """A request that is never answered."""

    def act() -> tuple[int, str]:
        raise by

    with pytest.raises(type(by)):
        service.run("ann", "key", "hash", act)


def test_a_request_of_a_process_that_is_gone_is_taken_over_at_once(processes: Processes) -> None:
    (first, first_service), (_, second) = processes.another(), processes.another()
    cut_off_at(first_service, Killed())
    first.close()
    eventually(lambda: sent(second), Conflict, WAIT_S)
    assert sent(second) == OK


def test_a_request_of_a_process_that_lives_is_left_to_it_for_a_minute(processes: Processes) -> None:
    (_, first), (_, second) = processes.another(), processes.another()
    cut_off_at(first, Killed())
    with pytest.raises(Conflict, match="still under way"):
        sent(second)
    processes.clock.turn(ORPHAN_AFTER.total_seconds())
    assert sent(second) == OK


def test_a_repeat_waits_for_the_answer_of_another_process(processes: Processes) -> None:
    (_, first), (_, second) = processes.another(), processes.another(waits_s=WAIT_S)
    began, go_on = threading.Event(), threading.Event()

    def slow() -> tuple[int, str]:
        began.set()
        assert go_on.wait(WAIT_S)
        return OK

    def never() -> tuple[int, str]:
        raise AssertionError("it is done by another")

    with ThreadPoolExecutor(2) as pool:
        answer = pool.submit(first.run, "ann", "key", "hash", slow)
        assert began.wait(WAIT_S)
        repeat = pool.submit(second.run, "ann", "key", "hash", never)
        go_on.set()
        assert answer.result() == repeat.result() == OK


def test_a_request_that_a_process_gave_up_goes_on_there_at_once(processes: Processes) -> None:
    _, service = processes.another()
    cut_off_at(service, Unavailable("the database is away"))
    assert sent(service) == OK


def test_who_was_taken_for_gone_and_is_refused_frees_no_key_of_another(processes: Processes) -> None:
    (_, first), (_, second) = processes.another(), processes.another()
    began, go_on = threading.Event(), threading.Event()

    def refused_late() -> tuple[int, str]:
        began.set()
        assert go_on.wait(WAIT_S)
        raise Conflict("another made it")

    def meanwhile() -> tuple[int, str]:
        go_on.set()
        with pytest.raises(Conflict, match="another made it"):
            late.result()
        return OK

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(first.run, "ann", "key", "hash", refused_late)
        assert began.wait(WAIT_S)
        processes.clock.turn(ORPHAN_AFTER.total_seconds())
        assert second.run("ann", "key", "hash", meanwhile) == OK
    with pytest.raises(Conflict, match="another request"):
        first.run("ann", "key", "another", lambda: OK)
