"""The same request with the same key has one effect."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, NotAllowedNow, Unavailable
from fanfold.ports.idempotency import Reservation
from fanfold.services.idempotency import KEPT, IdempotencyService, effect_id, hash_of
from fanfold.stores.database import Database
from fanfold.stores.idempotency import SqlIdempotency
from fanfold.stores.server_tables import idempotency
from fanfold.stores.sqlite import SqliteDatabase
from tests.people import TurnedClock

OK = (200, "made")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = SqliteDatabase(tmp_path / "fanfold.db", Effects())
    yield opened
    opened.close()


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def service(database: Database, clock: TurnedClock) -> IdempotencyService:
    return IdempotencyService(SqlIdempotency(database), clock)


class Effect:
    """Counts how often it happened, and fails as often as it is told to, before or after it happened."""

    def __init__(self, *fails: BaseException, happens: bool = False) -> None:
        self.count = 0
        self._fails = list(fails)
        self._happens = happens

    def __call__(self) -> tuple[int, str]:
        if self._fails:
            self.count += self._happens
            raise self._fails.pop(0)
        self.count += 1
        return OK


class Killed(BaseException):
    """The process ends here."""


def test_a_repeat_gets_the_stored_answer(service: IdempotencyService) -> None:
    effect = Effect()
    assert [service.run("ann", "key", "hash", effect) for _ in range(3)] == [OK] * 3
    assert effect.count == 1


def test_another_request_with_the_key_is_a_conflict(service: IdempotencyService) -> None:
    service.run("ann", "key", "hash", Effect())
    other = Effect()
    with pytest.raises(Conflict, match="used for another request"):
        service.run("ann", "key", "other hash", other)
    assert other.count == 0


def test_the_keys_of_two_accounts_have_nothing_to_do_with_each_other(service: IdempotencyService) -> None:
    effect = Effect()
    service.run("ann", "key", "hash", effect)
    service.run("bob", "key", "other hash", effect)
    assert effect.count == 2


def test_a_refusal_frees_the_key_for_a_better_request(service: IdempotencyService) -> None:
    with pytest.raises(NotAllowedNow):
        service.run("ann", "key", "hash", Effect(NotAllowedNow("no")))
    assert service.run("ann", "key", "better", Effect()) == OK


def test_after_an_error_that_may_have_had_its_effect_only_the_same_request_goes_on(service: IdempotencyService) -> None:
    with pytest.raises(Unavailable):
        service.run("ann", "key", "hash", Effect(Unavailable("gone"), happens=True))
    with pytest.raises(Conflict):
        service.run("ann", "key", "other", Effect())
    assert service.run("ann", "key", "hash", Effect()) == OK


def test_what_a_crash_cut_off_is_acted_again_by_the_one_who_finds_the_effect(
    database: Database, clock: TurnedClock
) -> None:
    def crashed() -> IdempotencyService:
        return IdempotencyService(SqlIdempotency(database), clock)

    made: dict[str, int] = Counter()

    def act() -> tuple[int, str]:
        made[effect_id("ann", "key", "hash")] = 1
        return OK

    def act_and_die() -> tuple[int, str]:
        act()
        raise Killed

    with pytest.raises(Killed):
        crashed().run("ann", "key", "hash", act_and_die)
    assert crashed().run("ann", "key", "hash", act) == OK
    assert made.total() == 1


def test_after_a_crash_what_may_not_be_acted_twice_is_looked_for_instead(
    database: Database, service: IdempotencyService, clock: TurnedClock
) -> None:
    with pytest.raises(Killed):
        service.run("ann", "key", "hash", Effect(Killed(), happens=True))
    act = Effect()
    restarted = IdempotencyService(SqlIdempotency(database), clock)
    assert restarted.run("ann", "key", "hash", act, again=lambda: (200, "found")) == (200, "found")
    assert restarted.run("ann", "key", "hash", act) == (200, "found")
    assert act.count == 0


def test_a_refusal_after_a_crash_does_not_free_the_key(
    database: Database, service: IdempotencyService, clock: TurnedClock
) -> None:
    with pytest.raises(Killed):
        service.run("ann", "key", "hash", Effect(Killed(), happens=True))
    with pytest.raises(NotAllowedNow):
        service.run("ann", "key", "hash", Effect(NotAllowedNow("it runs already")))
    with pytest.raises(Conflict):
        service.run("ann", "key", "other", Effect())


def test_a_repeat_waits_for_the_first_and_gets_its_answer(service: IdempotencyService) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow() -> tuple[int, str]:
        began.set()
        assert go_on.wait(20)
        return OK

    second = Effect()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(service.run, "ann", "key", "hash", slow)
        assert began.wait(20)
        repeat = pool.submit(service.run, "ann", "key", "hash", second)
        go_on.set()
        assert first.result() == repeat.result() == OK
    assert second.count == 0


def test_a_repeat_does_not_wait_for_ever(database: Database, clock: TurnedClock) -> None:
    service = IdempotencyService(SqlIdempotency(database), clock, longest_wait_s=0.0)

    def meanwhile() -> tuple[int, str]:
        with pytest.raises(Conflict, match="still under way"):
            service.run("ann", "key", "hash", Effect())
        return OK

    assert service.run("ann", "key", "hash", meanwhile) == OK


class Elsewhere(SqlIdempotency):
    """Takes every reservation for that of another process that lives; counts what it is asked to write, and what else
    happens at a look."""

    def __init__(self, database: Database, at_look: Callable[[SqlIdempotency, int], None]) -> None:
        super().__init__(database)
        self._at_look = at_look
        self.reserved = 0
        self.looks = 0

    def reserve(self, wanted: Reservation) -> Reservation | None:
        self.reserved += 1
        return super().reserve(wanted)

    def find(self, account_id: str, key: str) -> Reservation | None:
        self.looks += 1
        self._at_look(self, self.looks)
        return super().find(account_id, key)

    def is_elsewhere(self, found: Reservation) -> bool:
        return True


@pytest.mark.parametrize("refused", [False, True])
def test_who_waits_for_another_process_only_reads_until_there_is_something_to_do(
    database: Database, clock: TurnedClock, refused: bool
) -> None:
    SqlIdempotency(database).reserve(Reservation("ann", "key", "hash", clock.now()))

    def at_look(store: SqlIdempotency, look: int) -> None:
        if look == 3 and refused:
            store.release("ann", "key")
        elif look == 3:
            store.answer("ann", "key", (200, "theirs"))

    store, act = Elsewhere(database, at_look), Effect()
    answer = IdempotencyService(store, clock).run("ann", "key", "hash", act)
    assert (answer, act.count) == ((OK, 1) if refused else ((200, "theirs"), 0))
    assert (store.looks, store.reserved) == (3, 2 if refused else 1)


def test_a_hundred_keys_sent_ten_times_at_once_have_one_effect_each(service: IdempotencyService) -> None:
    """Promise R18."""
    effects: Counter[str] = Counter()
    counting = threading.Lock()

    def send(number: int) -> tuple[int, str]:
        key = f"key {number % 100}"

        def act() -> tuple[int, str]:
            with counting:
                effects[key] += 1
            return 200, key

        return service.run("ann", key, f"hash {key}", act)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(send, [key for key in range(100) for _ in range(10)]))
    assert answers == [(200, f"key {key}") for key in range(100) for _ in range(10)]
    assert effects == Counter({f"key {key}": 1 for key in range(100)})
    assert not service._under_way


def test_answers_are_forgotten_after_a_day(database: Database, service: IdempotencyService, clock: TurnedClock) -> None:
    service.run("ann", "key", "hash", Effect())
    clock.turn(KEPT.total_seconds() + 1)
    assert service.run("ann", "another key", "hash", Effect()) == OK
    with database.reading() as connection:
        assert connection.execute(sa.select(idempotency.c.key)).scalars().all() == ["another key"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "ä", "\0"])
def test_an_odd_key_is_refused(service: IdempotencyService, key: str) -> None:
    with pytest.raises(BadInput, match="Idempotency-Key"):
        service.run("ann", key, "hash", Effect())


def test_an_effects_id_is_told_by_account_key_and_request() -> None:
    told = [("ann", "key", "hash"), ("bob", "key", "hash"), ("ann", "other", "hash"), ("ann", "key", "other")]
    assert len({effect_id(*request) for request in told}) == 4
    assert effect_id("ann", "key", "hash") == effect_id("ann", "key", "hash")


def test_parts_of_a_request_are_not_run_together() -> None:
    assert hash_of("POST", "/jobs", "x") != hash_of("POST", "/jobsx", "")
