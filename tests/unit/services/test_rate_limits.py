"""How often somebody may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.services import rate_limits
from fanfold.services.rate_limits import RateLimits
from tests.people import TurnedClock

RATE_PER_S, BURST = 2.0, 5.0


def test_a_burst_passes_and_then_one_at_a_time() -> None:
    clock = TurnedClock()
    limits = RateLimits(clock, 1.0, 3.0)
    assert [limits.wait_s("ann") for _ in range(3)] == [0, 0, 0]
    assert limits.wait_s("ann") == 1.0
    clock.turn(0.25)
    assert limits.wait_s("ann") == 0.75
    clock.turn(0.75)
    assert limits.wait_s("ann") == 0


def test_a_refused_question_does_not_count() -> None:
    clock = TurnedClock()
    limits = RateLimits(clock, 1.0, 1.0)
    limits.wait_s("ann")
    for _ in range(100):
        assert limits.wait_s("ann") == 1.0


def test_one_keys_hurry_is_no_others_wait() -> None:
    limits = RateLimits(TurnedClock(), 1.0, 1.0)
    limits.wait_s("ann")
    assert limits.wait_s("bob") == 0


def test_twice_the_rate_passes_at_once_where_no_burst_is_given() -> None:
    limits = RateLimits(TurnedClock(), 2.0)
    assert [limits.wait_s("ann") > 0 for _ in range(5)] == [False, False, False, False, True]


def test_what_is_given_back_does_not_count() -> None:
    limits = RateLimits(TurnedClock(), 1.0, 1.0)
    for _ in range(10):
        assert limits.wait_s("ann") == 0
        limits.give_back("ann")


@given(st.lists(st.floats(0, 3), max_size=60))
def test_no_more_pass_than_the_burst_and_the_rate_allow(pauses: list[float]) -> None:
    clock = TurnedClock()
    limits = RateLimits(clock, RATE_PER_S, BURST)
    passed = 0
    for pause in pauses:
        clock.turn(pause)
        passed += limits.wait_s("ann") == 0
    assert passed <= BURST + RATE_PER_S * clock.monotonic() + 1e-6


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_who_waits_as_long_as_told_passes(pauses: list[float]) -> None:
    clock = TurnedClock()
    limits = RateLimits(clock, RATE_PER_S, BURST)
    for pause in pauses:
        clock.turn(pause)
        while (wait_s := limits.wait_s("ann")) > 0:
            clock.turn(wait_s + 1e-9)


def test_memory_follows_those_who_ask_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MOST_BUCKETS", 10)
    clock = TurnedClock()
    limits = RateLimits(clock, 1.0, 2.0)
    for number in range(1000):
        limits.wait_s(f"key {number}")
        clock.turn(0.01)
        assert len(limits._buckets) <= 10
    limits.wait_s("key 999")
    assert limits.wait_s("key 999") > 0, "who asks now is still counted"
