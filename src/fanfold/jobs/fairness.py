"""Order of service: which jobs get the free slots. Pure arithmetic over what the store counted.

Higher priority first; waiting raises a job by one level every AGEING; inside a level the account with fewest running
tasks for its weight goes first; inside an account jobs go by the time they were submitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from fanfold.jobs.models import Priority

AGEING = timedelta(minutes=10)
LEAST_WEIGHT = 0.01

_LEVEL = {Priority.LOW: 0, Priority.UNDEFINED: 1, Priority.NORMAL: 1, Priority.HIGH: 2}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job with tasks that could start now. `running` and `ready` count its own tasks, `limit` bounds `running`;
    `affordable`: so many more may start under its cap. `weight` is the account's, `account_limit` bounds what runs for
    all its jobs together."""

    job_id: str
    account_id: str
    priority: Priority
    submitted_at: datetime
    running: int
    ready: int
    limit: int | None = None
    revision: int = 0
    affordable: int | None = None
    weight: float = 1.0
    account_limit: int | None = None

    @property
    def room(self) -> int:
        """How many more of its tasks may start."""
        room = self.ready if self.limit is None else max(0, min(self.ready, self.limit - self.running))
        return room if self.affordable is None else min(room, self.affordable)

    @property
    def is_spent(self) -> bool:
        """Whether its cap lets nothing more start and nothing of it runs that could leave some of it over."""
        return self.affordable == 0 and self.running == 0 and self.ready > 0


def shares(
    candidates: Sequence[Candidate], slots: int, now: datetime, handed: Mapping[str, int] = MappingProxyType({})
) -> dict[str, int]:
    """How many tasks each job may start now, in order of service: job id -> count, at most `slots` in all.

    The walk is one slot at a time over accounts, so accounts with full queues get shares by their weights. `handed`:
    how many tasks accounts were given of late; of two with as much running the one with less of that goes first, or
    the odd slot would go to the same one each time.
    """
    given = dict(handed)
    granted: dict[str, int] = {}
    load = _running_by_account(candidates)
    queue = sorted(candidates, key=lambda item: (-_level(item, now), item.submitted_at, item.job_id))
    while slots > 0:
        open_ones = [item for item in queue if _left(item, granted, load) > 0]
        if not open_ones:
            break
        level = _level(open_ones[0], now)
        peers = [item for item in open_ones if _level(item, now) == level]
        chosen = min(peers, key=lambda item: _had(item, load, given))
        alone = all(item.account_id == chosen.account_id for item in peers)
        count = min(slots, _left(chosen, granted, load)) if alone else 1
        granted[chosen.job_id] = granted.get(chosen.job_id, 0) + count
        load[chosen.account_id] += count
        given[chosen.account_id] = given.get(chosen.account_id, 0) + count
        slots -= count
    return granted


def _had(item: Candidate, load: Mapping[str, int], given: Mapping[str, int]) -> tuple[float, float]:
    """What an account has running, and was given, for its weight."""
    weight = max(item.weight, LEAST_WEIGHT)
    return load[item.account_id] / weight, given.get(item.account_id, 0) / weight


def _left(item: Candidate, granted: Mapping[str, int], load: Mapping[str, int]) -> int:
    """How many more of a job's tasks may start, after those that were granted already."""
    left = item.room - granted.get(item.job_id, 0)
    return left if item.account_limit is None else min(left, item.account_limit - load[item.account_id])


def _running_by_account(candidates: Sequence[Candidate]) -> dict[str, int]:
    load: dict[str, int] = {}
    for item in candidates:
        load[item.account_id] = load.get(item.account_id, 0) + item.running
    return load


def _level(item: Candidate, now: datetime) -> int:
    waited = max(timedelta(), now - item.submitted_at)
    return _LEVEL[item.priority] + waited // AGEING
