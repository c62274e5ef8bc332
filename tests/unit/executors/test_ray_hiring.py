"""Who is asked for, who is asked for no more, and what is told where no worker can be started."""

import pytest

from fanfold.executors.ray_crew import STARVED_S, YIELD_S, Crew, RayWorker
from fanfold.executors.ray_hiring import ASKED_FOR_S, FIRST_PAUSE_S, FORGOTTEN_S, TRIES, WITHDRAWN_S, Hiring
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.needs import Need, Place
from tests.unit.executors.test_ray_crew import HELLO, LARGE, NODES, SMALL, Hands, order

WHY = "MissingPart: bubblewrap is not installed"


@pytest.fixture
def hiring(crew: Crew, clock: Hands) -> Hiring:
    return Hiring(crew, clock)


def begin(crew: Crew, hiring: Hiring, worker: RayWorker) -> None:
    crew.welcome(worker.name, HELLO, NODES)
    hiring.began(worker)


def fail(crew: Crew, hiring: Hiring, *workers: RayWorker) -> None:
    for worker in workers:
        crew.remove(worker)
        hiring.could_not(worker, WHY)


def fail_again_and_again(crew: Crew, hiring: Hiring, clock: Hands) -> None:
    """Until there is no hope."""
    for number in range(TRIES):
        clock.s += FIRST_PAUSE_S * 2**number
        ((need, slots),) = hiring.wanted({SMALL: 1}, NODES, 0)
        fail(crew, hiring, crew.add(f"bad-{number}", need, slots))


def test_as_many_workers_are_asked_for_as_orders_wait_and_nodes_hold(crew: Crew, hiring: Hiring) -> None:
    assert hiring.wanted({}, NODES, 0) == []
    assert hiring.wanted({SMALL: 1}, NODES, 0) == [(SMALL, 2)]
    wanted = hiring.wanted({SMALL: 100}, NODES, 0)
    assert wanted == [(SMALL, 2)] * 4
    for number, (need, slots) in enumerate(wanted):
        crew.add(str(number), need, slots)
    assert hiring.wanted({SMALL: 100}, NODES, 0) == []
    assert hiring.wanted({LARGE: 1}, NODES, 0) == [(LARGE, 1)]


def test_no_more_slots_are_asked_for_than_are_allowed(crew: Crew, hiring: Hiring) -> None:
    assert hiring.wanted({SMALL: 100}, NODES, 3) == [(SMALL, 2), (SMALL, 1)]
    assert hiring.wanted({SMALL: 100}, NODES, 1) == [(SMALL, 1)]
    assert hiring.wanted({SMALL: 1, LARGE: 100}, NODES, 3) == [(SMALL, 2), (LARGE, 1)]
    crew.add("one", SMALL, 2)
    assert hiring.wanted({SMALL: 100}, NODES, 3) == [(SMALL, 1)]


def test_no_more_slots_are_asked_for_than_nodes_hold(hiring: Hiring) -> None:
    assert hiring.wanted({SMALL: 100}, [Place(Device(5.0, 8 * GIB))], 0) == [(SMALL, 2), (SMALL, 2), (SMALL, 1)]


def test_a_worker_for_which_nothing_waits_any_more_is_withdrawn_and_presses_nobody(
    crew: Crew, hiring: Hiring, clock: Hands
) -> None:
    idle = crew.add("idle", SMALL, 1)
    begin(crew, hiring, idle)
    asked = crew.add("asked", LARGE, 1)
    clock.s += max(YIELD_S, STARVED_S) + 0.1
    assert hiring.withdrawn({LARGE: 1}, NODES) == crew.to_leave([]) == []
    clock.s += WITHDRAWN_S / 2
    assert hiring.withdrawn({}, NODES) == []
    clock.s += WITHDRAWN_S
    assert hiring.withdrawn({SMALL: 1}, NODES) == [asked]
    assert crew.to_leave([order(0)]) == []


def test_a_worker_that_no_node_can_take_is_withdrawn(crew: Crew, hiring: Hiring, clock: Hands) -> None:
    asked = [crew.add("large", LARGE, 1), crew.add("many", SMALL, 4), crew.add("few", SMALL, 2)]
    waiting = {SMALL: 1, LARGE: 1}
    clock.s += WITHDRAWN_S / 2
    assert hiring.withdrawn(waiting, NODES) == []
    clock.s += WITHDRAWN_S + 0.1
    assert hiring.withdrawn(waiting, [Place(Device(2.0, 8 * GIB))]) == asked[:2]


def test_orders_that_no_node_can_take_are_hopeless(hiring: Hiring) -> None:
    waiting = {SMALL: 1, LARGE: 1, Need(Device(1.0, 64 * GIB)): 1}
    assert hiring.hopeless(waiting, NODES) == {Need(Device(1.0, 64 * GIB))}
    assert hiring.hopeless(waiting, []) == set(waiting)


def test_after_a_worker_that_could_not_start_one_is_tried_after_a_pause_that_grows(
    crew: Crew, hiring: Hiring, clock: Hands
) -> None:
    asked = [
        crew.add(str(number), need, slots) for number, (need, slots) in enumerate(hiring.wanted({SMALL: 9}, NODES, 0))
    ]
    assert len(asked) == 4
    fail(crew, hiring, *asked)
    pauses = []
    for number in range(5):
        began = clock.s
        while not (wanted := hiring.wanted({SMALL: 9}, NODES, 0)):
            clock.s += 0.25
        pauses.append(clock.s - began)
        assert wanted == [(SMALL, 2)]
        fail(crew, hiring, crew.add(f"again-{number}", SMALL, 2))
    assert pauses == [FIRST_PAUSE_S * 2**number for number in range(5)]
    assert hiring.wanted({LARGE: 1}, NODES, 0) == [(LARGE, 1)]


def test_what_kept_workers_from_starting_is_told_after_some_tries(crew: Crew, hiring: Hiring, clock: Hands) -> None:
    for number in range(TRIES):
        assert hiring.asked_about(SMALL) == ""
        assert hiring.hopeless({SMALL: 1}, NODES) == set()
        fail(crew, hiring, crew.add(str(number), SMALL, 1), crew.add(f"{number}-beside", SMALL, 1))
        clock.s += 0.1
    assert hiring.asked_about(SMALL) == f"a worker on a node, and none could be started: {WHY}"
    assert hiring.asked_about(LARGE) == ""
    assert hiring.hopeless({SMALL: 1, LARGE: 1}, NODES) == {SMALL}
    clock.s += FORGOTTEN_S + 1
    assert hiring.asked_about(SMALL) == ""


def test_tries_go_on_as_long_as_somebody_asks_and_a_worker_that_starts_ends_the_trouble(
    crew: Crew, hiring: Hiring, clock: Hands
) -> None:
    fail_again_and_again(crew, hiring, clock)
    clock.s += ASKED_FOR_S + FIRST_PAUSE_S * 2**TRIES
    assert hiring.wanted({}, NODES, 0) == []
    assert hiring.asked_about(SMALL)
    assert hiring.wanted({}, NODES, 0) == [(SMALL, 2)]
    worker = crew.add("good", SMALL, 2)
    assert hiring.wanted({}, NODES, 0) == []
    clock.s += WITHDRAWN_S + 0.1
    assert hiring.withdrawn({}, NODES) == []
    begin(crew, hiring, worker)
    assert hiring.asked_about(SMALL) == ""
    assert len(hiring.wanted({SMALL: 9}, NODES, 0)) > 1


def test_where_workers_of_the_kind_work_there_is_no_trouble(crew: Crew, hiring: Hiring, clock: Hands) -> None:
    worker = crew.add("good", SMALL, 1)
    begin(crew, hiring, worker)
    fail_again_and_again(crew, hiring, clock)
    assert hiring.asked_about(SMALL) == ""
    crew.remove(worker)
    hiring.could_not(worker, "its node died")
    assert WHY in hiring.asked_about(SMALL)
