"""Who gets the free slots."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from fanfold.jobs.fairness import AGEING, Candidate, shares
from fanfold.jobs.models import Priority
from tests.values import NOON

LONG_AGO = timedelta(days=30)


def waiting(job_id: str, account: str = "ann", **fields: object) -> Candidate:
    return replace(Candidate(job_id, account, Priority.NORMAL, NOON, 0, 100), **fields)


def test_accounts_with_full_queues_get_equal_shares() -> None:
    jobs = [waiting("a1"), waiting("a2"), waiting("b1", "bob")]
    granted = shares(jobs, 10, NOON)
    assert granted["a1"] + granted.get("a2", 0) == granted["b1"] == 5


def test_an_account_that_has_more_running_is_served_later() -> None:
    jobs = [waiting("a", running=6), waiting("b", "bob", running=2)]
    assert shares(jobs, 6, NOON) == {"b": 5, "a": 1}


def test_of_two_with_as_much_running_the_one_that_was_given_less_is_served() -> None:
    jobs = [waiting("a", running=4), waiting("b", "bob", running=4)]
    assert shares(jobs, 1, NOON, {"ann": 9, "bob": 8}) == {"b": 1}
    assert shares(jobs, 1, NOON, {"ann": 8, "bob": 9}) == {"a": 1}
    assert shares(jobs, 3, NOON, {"ann": 8, "bob": 8}) == {"a": 2, "b": 1}
    heavy = [waiting("a", running=4, weight=2.0), waiting("b", "bob", running=2)]
    assert shares(heavy, 1, NOON, {"ann": 9, "bob": 5}) == {"a": 1}


def test_tasks_that_run_for_an_account_s_other_jobs_count_too() -> None:
    jobs = [waiting("a1", running=4, ready=0), waiting("a2"), waiting("b", "bob")]
    assert shares(jobs, 4, NOON) == {"b": 4}


def test_inside_an_account_the_job_submitted_first_goes_first() -> None:
    jobs = [waiting("late", submitted_at=NOON + timedelta(seconds=1)), waiting("early", ready=3)]
    assert shares(jobs, 5, NOON + timedelta(seconds=2)) == {"early": 3, "late": 2}


def test_higher_priority_goes_first_whoever_asks() -> None:
    jobs = [waiting("low", priority=Priority.LOW), waiting("high", "bob", priority=Priority.HIGH, ready=3, running=50)]
    assert shares(jobs, 5, NOON) == {"high": 3, "low": 2}


def test_no_priority_means_normal() -> None:
    jobs = [waiting("none", priority=Priority.UNDEFINED), waiting("normal", "bob")]
    assert shares(jobs, 4, NOON) == {"none": 2, "normal": 2}


def test_waiting_raises_a_job_until_it_is_served() -> None:
    old = waiting("old", priority=Priority.LOW, submitted_at=NOON - 2 * AGEING)
    new = waiting("new", "bob", priority=Priority.HIGH)
    assert shares([old, new], 1, NOON - timedelta(seconds=1)) == {"new": 1}
    assert shares([old, replace(new, running=1)], 1, NOON) == {"old": 1}
    assert shares([replace(old, submitted_at=NOON - LONG_AGO), new], 1, NOON) == {"old": 1}


def test_a_clock_that_ran_backwards_lowers_nobody() -> None:
    assert shares([waiting("a", submitted_at=NOON + LONG_AGO)], 1, NOON) == {"a": 1}


def test_a_job_never_runs_more_than_its_own_limit() -> None:
    assert shares([waiting("a", limit=4, running=3)], 10, NOON) == {"a": 1}
    assert shares([waiting("a", limit=4, running=9)], 10, NOON) == {}


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        job_id=st.uuids().map(str),
        account_id=st.sampled_from("abc"),
        priority=st.sampled_from(Priority),
        submitted_at=st.integers(-3600, 0).map(lambda seconds: NOON + timedelta(seconds=seconds)),
        running=st.integers(0, 5),
        ready=st.integers(0, 5),
        limit=st.none() | st.integers(0, 6),
    ),
    max_size=8,
)


@given(CANDIDATES, st.integers(0, 20))
def test_as_many_tasks_start_as_can_and_none_too_many(candidates: list[Candidate], slots: int) -> None:
    granted = shares(candidates, slots, NOON)
    room = {item.job_id: item.room for item in candidates}
    assert all(0 < count <= room[job_id] for job_id, count in granted.items())
    assert sum(granted.values()) == min(slots, sum(room.values()))


def test_accounts_with_full_queues_get_shares_by_their_weights() -> None:
    jobs = [waiting("a", weight=3.0), waiting("b", "bob")]
    assert shares(jobs, 8, NOON) == {"a": 6, "b": 2}


def test_a_weight_of_nothing_still_gets_what_is_left_over() -> None:
    jobs = [waiting("a", weight=0.0, ready=5), waiting("b", "bob", ready=3)]
    assert shares(jobs, 10, NOON) == {"a": 5, "b": 3}


def test_an_account_has_no_more_running_than_its_limit() -> None:
    jobs = [waiting("a1", running=2, ready=3, account_limit=4), waiting("a2", account_limit=4), waiting("b", "bob")]
    assert shares(jobs, 10, NOON) == {"a1": 2, "b": 8}


def test_an_account_above_its_limit_starts_nothing() -> None:
    assert shares([waiting("a", running=6, account_limit=4)], 10, NOON) == {}


def test_a_job_starts_no_more_than_its_cap_affords() -> None:
    assert shares([waiting("a", affordable=2), waiting("b", "bob", ready=1)], 10, NOON) == {"a": 2, "b": 1}


def test_a_job_is_spent_when_its_cap_affords_nothing_and_nothing_runs() -> None:
    assert waiting("a", affordable=0).is_spent
    assert not waiting("a", affordable=0, running=1).is_spent
    assert not waiting("a", affordable=0, ready=0).is_spent
    assert not waiting("a").is_spent
