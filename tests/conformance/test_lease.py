"""The orchestrators' lease: one holder at a time, found out by looking alone, and no write under an older one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from fanfold.effects import Effects
from fanfold.errors import Deposed, Unavailable
from fanfold.pipeline.leadership import GONE_S, STILL_S, Leadership
from fanfold.ports.lease import NOBODY, Held, Role, Standing
from fanfold.stores.database import Database
from fanfold.stores.postgres import PostgresDatabase
from fanfold.stores.sql import SqlStore
from tests.conformance.postgres import shared_postgres
from tests.values import NOON, a_job


class Told:
    """A clock that says what it is told, and a process's end that is noted."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ended: list[str] = []

    def now(self) -> Any:
        return NOON + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Processes:
    """Processes over one database, each with its hand on the lease."""

    def __init__(self, stack: ExitStack) -> None:
        self.url = shared_postgres().new_database()
        self.told = Told()
        self._stack = stack
        self.databases: list[PostgresDatabase] = []

    def another(self, role: Role = Role.BOTH) -> Leadership:
        database = self._stack.enter_context(closing(PostgresDatabase(self.url, Effects())))
        self.databases.append(database)
        made = Leadership(database.lease(), self.told, role, lambda: {"slots": 3}, self.told.ended.append)
        self._stack.callback(made.close)
        return made


@pytest.fixture
def processes() -> Iterator[Processes]:
    with ExitStack() as stack:
        yield Processes(stack)


def pass_s(processes: Processes, seconds: float, *lookers: Leadership) -> None:
    """Time passes, half a second at a time, and these look or beat meanwhile."""
    for _ in range(int(seconds * 2)):
        processes.told.seconds += 0.5
        for looker in lookers:
            looker.turn()


def test_the_first_leads_at_once_and_tells_the_others(processes: Processes) -> None:
    first, second, api = processes.another(), processes.another(), processes.another(Role.API)
    for one in (first, second, api):
        one.turn()
    assert (first.epoch, second.epoch, api.epoch) == (1, 0, 0)
    first.turn()
    second.turn()
    assert second.elsewhere() == {"slots": 3}
    assert first.elsewhere() is None
    assert second.stands().standing is Standing.STANDBY
    assert api.stands().standing is Standing.NONE
    assert second.stands().holder == first.stands().holder != ""


def test_a_look_that_breaks_is_not_the_last(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    one = processes.another()
    turn, broken = one.turn, iter([RuntimeError("a defect")])

    def breaks_at_first() -> float:
        for defect in broken:
            raise defect
        return turn()

    monkeypatch.setattr(one, "turn", breaks_at_first)
    one.start()
    assert one.await_lead()


def test_one_that_beats_is_never_replaced(processes: Processes) -> None:
    first, second = processes.another(), processes.another()
    first.turn()
    pass_s(processes, 5 * STILL_S, first, second)
    assert (first.epoch, second.epoch, processes.told.ended) == (1, 0, [])


def test_one_that_stands_still_is_replaced_and_ends_when_it_wakes(processes: Processes) -> None:
    first, second = processes.another(), processes.another()
    first.turn()
    second.turn()
    pass_s(processes, STILL_S - 0.5, second)
    assert second.epoch == 0
    pass_s(processes, 1, second)
    assert (second.epoch, second.stands().standing) == (2, Standing.ACTIVE)
    with pytest.raises(Unavailable):  # its connections were ended
        first.turn()
    first.turn()
    assert processes.told.ended == ["another orchestrator has taken over: this one's lease 1 is over"]


def test_one_without_connections_is_replaced_sooner_and_at_once_by_a_new_process(processes: Processes) -> None:
    first, second = processes.another(), processes.another()
    first.turn()
    second.turn()
    gone(processes, 0, first)
    pass_s(processes, GONE_S - 0.5, second)
    assert second.epoch == 0
    pass_s(processes, 1, second)
    assert second.epoch == 2
    gone(processes, 1, second)
    third = processes.another()
    third.turn()
    assert third.epoch == 3


def gone(processes: Processes, number: int, one: Leadership) -> None:
    """It dies: nothing is given back, its connections are no more."""
    one._lease.close()
    processes.databases[number].close()
    name = f"fanfold/{one._lease.me}"
    with psycopg.connect(processes.url) as connection:
        while connection.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = %s", [name]).fetchall():
            connection.commit()
    one.epoch = 0  # so that its end gives nothing back


def test_a_database_that_was_away_counts_for_nothing(processes: Processes) -> None:
    first, second = processes.another(), processes.another()
    first.turn()
    second.turn()
    looked: Callable[[], Held] = second._lease.look
    second._lease.look = _away  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        second.turn()
    second._missed()
    processes.told.seconds += 60
    second._lease.look = looked  # type: ignore[method-assign]
    second.turn()
    assert second.epoch == 0
    first.turn()
    assert processes.told.ended == []


def _away() -> Held:
    raise Unavailable("away")


def test_a_lease_that_is_given_back_is_taken_at_once(processes: Processes) -> None:
    first, second = processes.another(), processes.another()
    first.turn()
    second.turn()
    first.close()
    second.turn()
    assert second.epoch == 2


def test_two_that_see_the_same_do_not_both_get_it(processes: Processes) -> None:
    leases = [processes.another()._lease for _ in range(2)]
    assert [lease.take(NOBODY) for lease in leases] == [1, 0]


def test_what_an_older_lease_writes_is_refused_and_changes_nothing(processes: Processes) -> None:
    first, second = processes.another(), processes.another()
    first.turn()
    stores = [
        SqlStore(database.fenced(lambda one=one: one.epoch))
        for database, one in zip(processes.databases, (first, second), strict=True)
    ]
    stores[0].insert_job(a_job("one"), "ann")
    second.turn()
    pass_s(processes, STILL_S + 1, second)
    assert second.epoch == 2
    for write in (lambda: stores[0].insert_job(a_job("two"), "ann"), lambda: _grouped(stores[0])):
        while True:
            try:
                with pytest.raises(Deposed, match="lease 1 is over; 2 is another's"):
                    write()
            except Unavailable:  # a connection that was ended with the lease
                continue
            break
    stores[1].insert_job(a_job("three"), "ann")
    people = SqlStore(processes.databases[0])
    people.insert_job(a_job("four"), "ann")  # what people ask of any process is written by it
    assert [job_id for job_id in ("one", "two", "three", "four") if _there(people, job_id)] == ["one", "three", "four"]


def _grouped(store: SqlStore) -> None:
    with store.grouped():
        store.insert_job(a_job("two"), "ann")


def _there(store: SqlStore, job_id: str) -> bool:
    with store.database.reading() as connection:
        return connection.exec_driver_sql("SELECT 1 FROM jobs WHERE id = %s", (job_id,)).first() is not None


def test_a_write_that_is_under_way_when_the_lease_changes_hands_is_undone(processes: Processes) -> None:
    first, second = processes.another(), processes.another()
    first.turn()
    second.turn()
    led = processes.databases[0].fenced(lambda: 1)
    with pytest.raises(Unavailable):
        _frozen(led, lambda: pass_s(processes, STILL_S + 1, second))
    assert second.epoch == 2
    second.turn()
    assert second._lease.look().told == {"slots": 3}


def _frozen(led: Database, meanwhile: Callable[[], None]) -> None:
    with led.writing("frozen in its middle") as connection:
        connection.exec_driver_sql("UPDATE leases SET told = '{\"torn\": 1}'")
        meanwhile()
        connection.exec_driver_sql("SELECT 1")
