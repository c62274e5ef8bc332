"""Who is asked for, who gets what, who leaves: the decisions of the Ray executor."""

from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest

from fanfold.executors.ray_crew import (
    FORGETS_S,
    GIVE_UP_S,
    IDLE_S,
    MOST_AHEAD,
    SILENT_S,
    STARVED_S,
    YIELD_S,
    Crew,
    RayWorker,
)
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import AttemptKey, Regions, Role, TaskKey
from fanfold.jobs.needs import Need, Place
from fanfold.jobs.task_lifecycle import Succeeded
from fanfold.ports.executor import RunOrder, Told
from fanfold.runner import messages

NOW = datetime(2026, 1, 1, tzinfo=UTC)

SMALL, LARGE = Need(Device(1.0, GIB)), Need(Device(4.0, GIB))
NODES = [Place(Device(4.0, 8 * GIB), "", name) for name in "ab"]
HELLO = {"node": "a", "host": "h", "pid": 1, "unwalled": ""}


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.s = 100.0

    def now(self) -> Any:
        return NOW

    def monotonic(self) -> float:
        return self.s


def order(index: int, need: Need = SMALL, avoid: str = "") -> RunOrder:
    key = AttemptKey(TaskKey("job", Role.APP, index), 1)
    return RunOrder(key, 1, "", "", "", "main.py", device=need.device, regions=need.regions, avoid_runner=avoid)


def ready(crew: Crew, name: str, need: Need = SMALL, slots: int = 1) -> RayWorker:
    worker = crew.add(name, need, slots)
    crew.welcome(name, HELLO, NODES)
    return worker


def end(crew: Crew, worker: RayWorker, *keys: AttemptKey) -> None:
    crew.heard(worker, [Succeeded(key, NOW) for key in keys], {})


def learn(crew: Crew, worker: RayWorker, clock: Hands, took_s: float) -> None:
    """Let a worker end some orders of such a length, each with the next one behind it."""
    earlier = order(1000).attempt
    worker.give(earlier, clock.s)
    for index in range(1001, 1020):
        worker.give(order(index).attempt, clock.s)
        clock.s += took_s
        end(crew, worker, earlier)
        earlier = order(index).attempt
    end(crew, worker, earlier)


def test_orders_are_handed_out_in_their_order_to_the_least_busy(crew: Crew) -> None:
    one, two = ready(crew, "one"), ready(crew, "two")
    waiting = deque(order(index) for index in range(3))
    given = crew.hand_out(waiting)
    assert [(worker.name, [item.attempt.task.index for item in orders]) for worker, orders in given] == [
        ("one", [0]),
        ("two", [1]),
    ]
    assert [item.attempt.task.index for item in waiting] == [2]
    end(crew, one, *one.orders)
    assert crew.hand_out(waiting)[0][0] is one
    assert len(two.orders) == 1


def test_a_worker_of_short_programs_holds_orders_ahead(crew: Crew, clock: Hands) -> None:
    worker = ready(crew, "one")
    learn(crew, worker, clock, 0.02)
    crew.hand_out(deque(order(index) for index in range(1000)))
    assert 20 <= len(worker.orders) <= 1 + MOST_AHEAD


def test_a_worker_of_long_programs_holds_none_ahead(crew: Crew, clock: Hands) -> None:
    worker = ready(crew, "one")
    learn(crew, worker, clock, 2.0)
    crew.hand_out(deque(order(index) for index in range(1000)))
    assert len(worker.orders) == 1


def test_none_is_held_ahead_of_orders_of_which_nothing_is_known(crew: Crew) -> None:
    assert ready(crew, "one").room(100) == 1


def test_what_was_learned_of_short_programs_does_not_hold_for_what_comes_later(crew: Crew, clock: Hands) -> None:
    worker = ready(crew, "one")
    learn(crew, worker, clock, 0.02)
    clock.s += FORGETS_S + 0.1
    crew.hand_out(deque(order(index) for index in range(1000)))
    assert len(worker.orders) == 1


def test_the_last_orders_are_shared_by_all_workers(crew: Crew, clock: Hands) -> None:
    one, two = ready(crew, "one"), ready(crew, "two")
    for worker in (one, two):
        learn(crew, worker, clock, 0.02)
    waiting = deque(order(index) for index in range(10))
    crew.hand_out(waiting)
    assert (len(one.orders), len(two.orders), len(waiting)) == (5, 5, 0)
    end(crew, one, *list(one.orders))
    waiting.append(order(10))
    crew.hand_out(waiting)
    assert (len(one.orders), len(two.orders)) == (1, 5)


def test_what_a_worker_has_begun_is_never_had_back(crew: Crew, clock: Hands) -> None:
    worker = ready(crew, "one")
    keys = [order(index).attempt for index in range(3)]
    for key in keys:
        worker.give(key, clock.s)
    crew.heard(worker, [Told(keys[1], started=True, at=NOW, runner="one-0")], {})
    assert crew.not_begun() == keys[2:]


def test_another_attempt_goes_elsewhere_if_it_can(crew: Crew) -> None:
    ready(crew, "one")
    two = ready(crew, "two")
    assert crew.hand_out(deque([order(0, avoid="one-0")]))[0][0] is two
    assert crew.hand_out(deque([order(1, avoid="two-0")]))[0][0].name == "one"


def test_a_silent_worker_is_not_alive_gets_nothing_and_is_given_up(crew: Crew, clock: Hands) -> None:
    worker = ready(crew, "one", slots=2)
    crew.hand_out(deque([order(0)]))
    assert len(crew.alive()) == 1
    clock.s += SILENT_S + 0.1
    assert crew.alive() == []
    assert crew.hand_out(deque([order(1)])) == []
    assert crew.overdue() == []
    clock.s += GIVE_UP_S
    assert crew.overdue() == [worker]


def test_a_silent_worker_is_ended_as_soon_as_what_it_holds_is_cancelled(crew: Crew, clock: Hands) -> None:
    worker = ready(crew, "one")
    crew.hand_out(deque([order(0)]))
    clock.s += SILENT_S + 0.1
    key = order(0).attempt
    assert crew.cancel(frozenset([key])) == [(worker, [key])]
    assert crew.overdue() == [worker]


def test_what_a_worker_knew_and_holds_no_more_is_not_alive(crew: Crew) -> None:
    worker = ready(crew, "one")
    crew.hand_out(deque([order(0)]))
    key = order(0).attempt
    crew.heard(worker, [], {"holds": [messages.attempt_json(key)], "runners": []})
    assert crew.alive() == [key]
    crew.heard(worker, [], {"holds": [], "runners": []})
    assert crew.alive() == []


def test_an_idle_worker_leaves_after_a_while_or_when_others_are_pressed(crew: Crew, clock: Hands) -> None:
    worker = ready(crew, "one")
    clock.s += IDLE_S - 1
    assert crew.to_leave([]) == []
    crew.add("asked", LARGE, 1)
    assert crew.to_leave([]) == []
    clock.s += YIELD_S + 0.1
    assert crew.to_leave([]) == []
    assert crew.to_leave([order(0, LARGE)]) == [worker]
    assert crew.to_leave([order(0, LARGE)]) == []


def test_an_idle_worker_makes_no_room_for_one_of_its_own_kind(crew: Crew, clock: Hands) -> None:
    ready(crew, "one")
    crew.add("asked", SMALL, 1)
    clock.s += IDLE_S - 1
    assert crew.to_leave([]) == []


def test_an_idle_worker_is_kept_while_another_is_silent_for_what_that_one_holds(crew: Crew, clock: Hands) -> None:
    silent, idle = ready(crew, "silent"), ready(crew, "idle")
    crew.hand_out(deque([order(0)]))
    assert silent.orders
    for _ in range(int(GIVE_UP_S) + 1):
        clock.s += 1.0
        idle.heard = clock.s
        assert crew.to_leave([]) == []
    assert crew.overdue() == [silent]
    crew.remove(silent)
    assert crew.to_leave([]) == []
    clock.s += IDLE_S + 0.1
    assert crew.to_leave([]) == [idle]


def test_busy_workers_yield_to_orders_that_wait_for_longer(crew: Crew, clock: Hands) -> None:
    busy = [ready(crew, name) for name in ("one", "two")]
    waiting = deque([order(0), order(1), order(2, LARGE), *(order(index) for index in range(3, 9))])
    crew.hand_out(waiting)
    crew.add("asked", LARGE, 1)
    clock.s += STARVED_S + 0.1
    for worker in busy:
        worker.heard = clock.s
    assert crew.to_leave(waiting) == []
    assert [worker.yields for worker in busy] == [True, False]
    end(crew, busy[0], *list(busy[0].orders))
    assert all(worker is not busy[0] for worker, _ in crew.hand_out(waiting))
    assert crew.to_leave(waiting) == [busy[0]]
    crew.welcome("asked", HELLO, NODES)
    crew.to_leave(waiting)
    assert not busy[1].yields


@pytest.mark.parametrize("regions", [Regions(("eu",)), Regions((), ("us",))])
def test_a_worker_in_a_region_that_its_orders_forbid_gets_none_and_leaves(crew: Crew, regions: Regions) -> None:
    need = Need(Device(1.0, GIB), regions)
    worker = crew.add("one", need, 1)
    crew.welcome("one", HELLO, [Place(Device(4.0, 8 * GIB), "us", "a")])
    waiting = deque([order(0, need)])
    assert (crew.hand_out(waiting), len(waiting)) == ([], 1)
    assert crew.to_leave(waiting) == [worker]


def test_a_worker_on_a_node_not_told_of_yet_gets_orders_once_its_region_is_known(crew: Crew) -> None:
    need = Need(Device(1.0, GIB), Regions((), ("us",)))
    crew.add("one", need, 1)
    crew.welcome("one", HELLO, [])
    waiting = deque([order(0, need)])
    assert crew.hand_out(waiting) == crew.to_leave(waiting) == []
    crew.learn_of([Place(Device(4.0, 8 * GIB), "eu", "a")])
    assert [worker.region for worker, _ in crew.hand_out(waiting)] == ["eu"]


def test_workers_of_an_earlier_process_are_met_and_leave_when_they_are_done(crew: Crew, clock: Hands) -> None:
    assert crew.meet(["old"]) == []
    (old,) = crew
    assert not crew.all_met()
    crew.welcome("old", HELLO, NODES)
    key = order(0).attempt
    crew.heard(old, [], {"holds": [messages.attempt_json(key)], "runners": []})
    assert crew.all_met()
    assert crew.alive() == [key]
    assert crew.hand_out(deque([order(1)])) == []
    end(crew, old, key)
    clock.s += YIELD_S + 0.1
    assert crew.to_leave([]) == [old]
    assert crew.meet([]) == [old]


def test_what_was_told_to_a_worker_through_a_bridge_that_is_gone_is_given_back_unless_it_holds_it(crew: Crew) -> None:
    worker = ready(crew, "one", slots=2)
    crew.hand_out(deque([order(0), order(1)]))
    assert crew.meet(["one"]) == []
    assert crew.hand_out(deque([order(2)])) == []
    assert crew.heard(worker, [], {}) == []
    known = {"holds": [messages.attempt_json(order(0).attempt)], "runners": []}
    assert crew.heard(worker, [], known) == [order(1).attempt]
    assert crew.alive() == [order(0).attempt]
    assert [found for found, _ in crew.hand_out(deque([order(2)]))] == [worker]
    assert crew.heard(worker, [], known) == []
