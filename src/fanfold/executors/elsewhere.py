"""The executor of a process that runs no programs: what is known of those of the active orchestrator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fanfold.jobs.blocks import Device
from fanfold.jobs.models import AttemptKey
from fanfold.jobs.needs import Need
from fanfold.ports.executor import Capacity, Executor, Offer, Report, RunOrder

Told = Callable[[], Mapping[str, Any] | None]


def told_of(executor: Executor) -> dict[str, Any]:
    """What an active orchestrator tells the others of its executor: how many slots, and how many of them work."""
    busy = sum(runner["attempt"] is not None for runner in executor.runners())
    return {"slots": executor.capacity().slots, "busy": busy}


class Elsewhere:
    """Takes no order. `told` is what the active orchestrator tells, None where that is this process; then `own`, if
    there is one, answers what is asked of an executor."""

    def __init__(self, told: Told, own: Executor | None = None) -> None:
        self._told = told
        self._own = own

    def take_over(self) -> None:
        """See `ports.executor`; there is nothing."""

    def capacity(self) -> Capacity:
        """See `ports.executor`."""
        told = self._told()
        if told is None and self._own is not None:
            return self._own.capacity()
        return Capacity(int((told or {}).get("slots", 0)), 0, Device())

    def offer(self, need: Need) -> Offer:
        """See `ports.executor`."""
        if self._told() is None and self._own is not None:
            return self._own.offer(need)
        return Offer(self.capacity().slots)

    def runners(self) -> list[dict[str, Any]]:
        """See `ports.executor`; of those elsewhere only how many work."""
        told = self._told()
        if told is None and self._own is not None:
            return self._own.runners()
        return [{"runner": "elsewhere", "attempt": "elsewhere"}] * int((told or {}).get("busy", 0))

    def start(self, orders: Sequence[RunOrder]) -> None:
        """See `ports.executor`; nobody gives it any."""
        assert not orders, "this process runs no programs"

    def cancel(self, attempts: Sequence[AttemptKey]) -> None:
        """See `ports.executor`."""

    def collect(self) -> list[Report]:
        """See `ports.executor`."""
        return []

    def alive(self) -> list[AttemptKey]:
        """See `ports.executor`."""
        return []

    def drain(self) -> None:
        """See `ports.executor`."""

    def close(self, drain_s: float) -> None:
        """See `ports.executor`."""


_fits: type[Executor] = Elsewhere
