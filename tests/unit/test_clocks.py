"""The clock that everything asks: a jump of the machine's moves nothing."""

from datetime import UTC, datetime, timedelta
from typing import Self

import pytest

from fanfold import clocks
from fanfold.clocks import SteadyClock


class Jumped(datetime):
    """The machine's clock, an hour ahead."""

    @classmethod
    def now(cls, tz: object = None) -> Self:
        return cls.fromtimestamp(datetime.now(UTC).timestamp(), UTC) + timedelta(hours=1)


def about(clock: SteadyClock, time: datetime) -> bool:
    return abs(clock.now() - time) < timedelta(minutes=1)


def test_a_clock_goes_on_as_if_nothing_had_jumped(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, now = SteadyClock(), datetime.now(UTC)
    monkeypatch.setattr(clocks, "datetime", Jumped)
    assert about(clock, now)
    assert about(SteadyClock(), now + timedelta(hours=1))


def test_a_clock_goes_on_from_the_moment_that_another_told(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SteadyClock()
    told = f"{clock.now().isoformat()} {clock.monotonic()!r}"
    monkeypatch.setattr(clocks, "datetime", Jumped)
    other = SteadyClock(told)
    assert abs(other.now() - clock.now()) < timedelta(seconds=1)
    assert other.now().tzinfo is not None
