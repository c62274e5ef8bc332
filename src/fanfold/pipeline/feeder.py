"""Feeds tasks to the executor in order of service, never more than it can start soon, and writes what became of them.

Reports are written in groups: thousands of tasks do not mean thousands of commits. What was written and what was not is
told by the store's guards alone; the map of attempts under way is only a cache of what their rows say.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from fanfold.errors import BadInput, NotFound, Unavailable
from fanfold.jobs.fairness import Candidate, shares
from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import AttemptKey, Job, Task, TaskState
from fanfold.jobs.needs import Need
from fanfold.jobs.task_lifecycle import (
    CLAIMED,
    LONGEST_WAIT_S,
    GivenBack,
    Outcome,
    ProgramFailed,
    Reason,
    RunnerLost,
    Succeeded,
    after_attempt,
)
from fanfold.pipeline.orders import OrderMaker
from fanfold.pipeline.reuse import Reuser
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.clock import Clock
from fanfold.ports.executor import Executor, Report, RunOrder, Told
from fanfold.ports.store import Finished, Store

QUEUED_S = 0.3
"""The executor holds enough waiting orders for so many seconds of work, and at least one a slot."""

MOST_QUEUED_PER_SLOT = 64
FIRST_GUESS_S = 0.5
_SMOOTHING = 0.2
JOBS_KNOWN = 1000
EXPIRED_AT_ONCE = 200


log = logging.getLogger(__name__)


class Feeder:
    """One duty: tasks out, outcomes in."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        workspace: Workspace,
        orders: OrderMaker,
        clock: Clock,
        lease_s: float,
    ) -> None:
        self._store = store
        self._executor = executor
        self._workspace = workspace
        self._orders = orders
        self._clock = clock
        self._lease = timedelta(seconds=lease_s)
        self._renewed_at = clock.now()
        self._reuser = Reuser(store, workspace, clock)
        self._under_way: dict[AttemptKey, tuple[Task, int]] = {}
        self._unwritten: list[Report] = []
        self._jobs: dict[str, Job] = {}
        self._mean_s = FIRST_GUESS_S
        self._listeners: list[Callable[[Finished], None]] = []
        self._spent: list[str] = []
        self._sharing: set[str] = set()
        self._handed: Counter[str] = Counter()
        self._lacking: dict[str, str] = {}
        self._told: set[str] = set()

    def drain(self) -> None:
        """Have the executor give back what it has not started."""
        self._executor.drain()

    def at_work(self) -> frozenset[AttemptKey]:
        """The attempts handed out, and those of an earlier process that the executor holds."""
        return frozenset(self._under_way).union(self._executor.alive())

    def under_way(self) -> frozenset[AttemptKey]:
        """The attempts handed out and not yet ended."""
        return frozenset(self._under_way)

    def collect(self) -> list[Finished]:
        """Write what the executor reported since the last call; returns the ends that counted.

        Reports are kept until they are written, so a database that is away for a while loses none.
        """
        self._unwritten += self._executor.collect()
        if not self._unwritten:
            return []
        outcomes = [report for report in self._unwritten if not isinstance(report, Told)]
        self._tell({outcome.attempt for outcome in outcomes})
        won = self._finish(outcomes)
        self._unwritten.clear()
        return won

    def _tell(self, ended: set[AttemptKey]) -> None:
        """Note progress of attempts that have not ended meanwhile."""
        news = [
            (told.attempt, TaskState.RUNNING if told.started else TaskState.RECEIVED, told.at, told.runner, told.region)
            for told in self._unwritten
            if isinstance(told, Told) and told.attempt not in ended
        ]
        if news:
            self._store.tell(news)

    def _finish(self, outcomes: Iterable[Outcome]) -> list[Finished]:
        changes, late = [], []
        for outcome in outcomes:
            known = self._under_way.get(outcome.attempt) or self._looked_up(outcome.attempt)
            if known is None:
                late.append(outcome)
            else:
                task, max_attempts = known
                changes.append(Finished(task, after_attempt(task, outcome, max_attempts), outcome))
        won = self._written(changes) if changes else []
        late += [change.outcome for change in self._lost(changes, won)]
        for outcome in [*late, *(change.outcome for change in won)]:
            self._under_way.pop(outcome.attempt, None)
        for outcome in late:
            self._drop(outcome)
        self._learn(won)
        return won

    def _written(self, changes: list[Finished]) -> list[Finished]:
        """The ends that counted. A report that the store cannot keep fails its own task and holds up no other."""
        try:
            return self._store.finish(changes)
        except BadInput as err:
            if len(changes) == 1:
                ended = self._store.finish([self._refused(changes[0], err)])
                self._drop(changes[0].outcome)
                return ended
        return [won for change in changes for won in self._written([change])]

    def _refused(self, change: Finished, err: BadInput) -> Finished:
        """The end of an attempt of whose report nothing but its time can be kept."""
        message, before = f"what was reported of it is lost: {err}", change.before
        told = ProgramFailed(
            before.attempt_key, self._clock.now(), reason=Reason.BAD_RESULT, message=message, final=True
        )
        return Finished(before, after_attempt(before, told, before.failures + 1), told)

    def _looked_up(self, attempt: AttemptKey) -> tuple[Task, int] | None:
        """An attempt that was handed out before this process began; None where it is no longer the task's own."""
        try:
            task = self._store.task(attempt.task)
        except NotFound:
            return None
        if task.fence != attempt.fence or task.state not in CLAIMED:
            return None
        job = self._store.job(attempt.task.job_id)
        return _made_by(job, task), job.attempts_of(task.key)

    def _lost(self, changes: list[Finished], won: list[Finished]) -> list[Finished]:
        written = {change.before.attempt_key for change in won}
        return [change for change in changes if change.before.attempt_key not in written]

    def _drop(self, outcome: Outcome) -> None:
        """A result that came too late is nobody's; one that was told twice is still its task's."""
        if isinstance(outcome, Succeeded) and not self._is_current(outcome.attempt):
            try:
                self._workspace.job(outcome.attempt.task.job_id).drop_result(outcome.attempt)
            except Unavailable as err:
                task = outcome.attempt.task
                told = {"job": task.job_id, "task": task.task_id}
                log.info("job %s: a late result is swept later: %s", task.job_id, err, extra=told)

    def _is_current(self, attempt: AttemptKey) -> bool:
        try:
            task = self._store.task(attempt.task)
        except NotFound:
            return False
        return task.state is TaskState.COMPLETED and task.fence == attempt.fence

    def listen(self, listener: Callable[[Finished], None]) -> None:
        """Call `listener` with every end that was written; it must return at once."""
        self._listeners.append(listener)

    def _learn(self, won: list[Finished]) -> None:
        """Tell the listeners, and keep a running mean of how long programs take, in seconds."""
        self._reuser.learned(won)
        for change in won:
            for listener in self._listeners:
                listener(change)
            if isinstance(change.outcome, Succeeded | ProgramFailed) and change.outcome.started_at is not None:
                took = (change.outcome.at - change.outcome.started_at).total_seconds()
                self._mean_s += _SMOOTHING * (took - self._mean_s)

    def fill(self) -> int:
        """End what waits for a known result, then claim and hand out as many tasks as the executor can start soon; says
        how many."""
        self._reuser.turn()
        capacity = self._executor.capacity()
        queued = max(1, min(MOST_QUEUED_PER_SLOT, math.ceil(QUEUED_S / max(self._mean_s, 1e-3))))
        room = min(capacity.room, capacity.slots * (1 + queued) - len(self._under_way))
        waiting = len(self._under_way) - capacity.slots
        if capacity.slots and (room <= 0 or 2 * waiting > capacity.slots * queued):
            return 0
        now = self._clock.now()
        found = [_short_queued(item, capacity.slots) for item in self._store.candidates(now)]
        candidates = {item.job_id: item for item in self._within(found, 1 + queued)}
        self._spent = [item.job_id for item in found if item.is_spent]
        accounts = {item.account_id for item in candidates.values()}
        if accounts != self._sharing:
            self._sharing, self._handed = accounts, Counter()
        granted = shares(list(candidates.values()), max(0, room), now, self._handed)
        for job_id, count in granted.items():
            self._handed[candidates[job_id].account_id] += count
        jobs = [(self._job(candidates[job_id]), count) for job_id, count in granted.items()]
        return self._hand_out([(job, count) for job, count in jobs if self._reuser.is_through(job)])

    def spent(self) -> list[Job]:
        """The jobs whose cap let the last `fill` start nothing more, each told once."""
        told, self._spent = self._spent, []
        return [self._store.job(job_id) for job_id in told]

    def _within(self, candidates: Sequence[Candidate], queued: int) -> list[Candidate]:
        """The candidates with as many tasks as there is room for: what needs a rare runner does not fill the window,
        and what no runner has is not handed out; its job is told what it waits for."""
        needs = {item.job_id: self._orders.need(self._job(item)) for item in candidates}
        running: Counter[Need] = Counter()
        for item in candidates:
            running[needs[item.job_id]] += item.running
        offers = {need: self._executor.offer(need) for need in set(needs.values())}
        self._lacking = {
            item.job_id: offers[needs[item.job_id]].lacking
            for item in candidates
            if item.ready and not offers[needs[item.job_id]].slots
        }
        room = {need: max(0, offer.slots * queued - running[need]) for need, offer in offers.items()}
        return [replace(item, ready=min(item.ready, room[needs[item.job_id]])) for item in candidates]

    def waiting(self) -> list[tuple[Job, str]]:
        """The jobs whose tasks wait for a runner that there is not, or do not wait for it any more (""), where that is
        not what they say."""
        wanted = dict.fromkeys(self._told, "") | {job_id: f"it needs {what}" for job_id, what in self._lacking.items()}
        jobs = [(self._store.job(job_id), reason) for job_id, reason in wanted.items()]
        self._told = set(self._lacking)
        return [(job, reason) for job, reason in jobs if job.state not in ENDED and job.waiting_reason != reason]

    def _hand_out(self, granted: Sequence[tuple[Job, int]]) -> int:
        """Claim with one commit, then have them started."""
        if not granted:
            return 0
        now = self._clock.now()
        with self._store.grouped():
            claimed = [(job, self._store.claim(job.id, count, now, now + self._lease)) for job, count in granted]
        tasks = [(job, task) for job, found in claimed for task in found]
        for job, task in tasks:
            self._under_way[task.attempt_key] = (_made_by(job, task), job.attempts_of(task.key))
        self._have_started(tasks)
        return len(tasks)

    def _have_started(self, tasks: Sequence[tuple[Job, Task]]) -> None:
        """Make orders of what was claimed. Where their secrets are out of reach just now, those that have no order yet
        are given back, and Unavailable is raised."""
        orders, count = list[RunOrder](), 0
        try:
            for count, (job, task) in enumerate(tasks):  # noqa: B007 - told below
                if (order := self._order(job, task)) is not None:
                    orders.append(order)
        except Unavailable:
            now = self._clock.now()
            self._unwritten += [GivenBack(task.attempt_key, now) for _, task in tasks[count:]]
            raise
        finally:
            self._executor.start(orders)

    def _order(self, job: Job, task: Task) -> RunOrder | None:
        """The order; None, with the attempt's failure noted, where its block cannot have its secrets any more."""
        try:
            return self._orders.order(job, task)
        except BadInput as err:
            reason, now = Reason.CANNOT_START, self._clock.now()
            self._unwritten.append(
                ProgramFailed(task.attempt_key, now, reason=reason, message=str(err), exit_code=None, final=True)
            )
            return None

    def _job(self, candidate: Candidate) -> Job:
        """The job as it is since its last change of revision."""
        known = self._jobs.get(candidate.job_id)
        if known is None or known.revision != candidate.revision:
            known = self._store.job(candidate.job_id)
            self.note(known)
        return known

    def note(self, job: Job) -> None:
        """Keep a job as it was just written, so that it need not be read."""
        if len(self._jobs) > JOBS_KNOWN:
            self._jobs.clear()
        self._jobs[job.id] = job
        self._reuser.note(job)

    def has_more(self) -> bool:
        """Whether `fill` has more to do at once."""
        return self._reuser.has_more()

    def has_backlog(self) -> bool:
        """Whether the executor has more work than slots, so that nothing waits for the next turn."""
        return len(self._under_way) > self._executor.capacity().slots

    def renew(self, *, everyone: bool = False) -> None:
        """Extend the leases of attempts whose runners are alive, or of all after a pause of this process in which
        nobody could be heard; cancel those that may not go on."""
        now = self._clock.now()
        alive = list(self.at_work()) if everyone else self._executor.alive()
        if alive:
            self._cancel(self._store.renew(alive, now + self._lease))
        self._renewed_at = now

    def drop_ended(self) -> None:
        """End what still runs for jobs that have ended, by whosever hand; a silent runner's too."""
        for job_id in {attempt.task.job_id for attempt in self._under_way}:
            job = self._store.job(job_id)
            if job.state in ENDED:
                self.forget(job)

    def forget(self, job: Job) -> None:
        """A job has ended: end what still runs for it."""
        self._jobs.pop(job.id, None)
        self._reuser.forget(job.id)
        self._cancel({attempt for attempt in self._under_way if attempt.task.job_id == job.id})

    def _cancel(self, attempts: Iterable[AttemptKey]) -> None:
        listed = list(attempts)
        for attempt in listed:
            self._under_way.pop(attempt, None)
        if listed:
            self._executor.cancel(listed)

    def expire(self) -> list[Finished]:
        """End attempts whose lease was over when the runners were last asked: theirs is frozen or gone. A pause of this
        process since then ends no lease."""
        now = self._clock.now()
        late = self._store.expired(min(now, self._renewed_at), EXPIRED_AT_ONCE)
        why = "nothing was heard of its runner"
        won = self._finish(
            RunnerLost(task.attempt_key, now, runner=task.runner, reason=Reason.LEASE_EXPIRED, message=why)
            for task in late
        )
        self._cancel([change.before.attempt_key for change in won])
        return won

    def take_over(self) -> int:
        """At start: give back every attempt that an earlier process handed out and this executor does not hold. What
        would rest for longer than anything does was put off by a clock that has been set back since."""
        held = set(self._executor.alive())
        taken = 0
        while stale := [task for task in self._store.claimed(EXPIRED_AT_ONCE) if task.attempt_key not in held]:
            now = self._clock.now()
            taken += len(self._finish(GivenBack(task.attempt_key, now) for task in stale))
        now = self._clock.now()
        self._store.hasten(now, now + timedelta(seconds=LONGEST_WAIT_S))
        return taken


def _short_queued(item: Candidate, slots: int) -> Candidate:
    """A job with a cap hands out little ahead: what a task costs is known when it has ended, and no sooner."""
    if item.affordable is None:
        return item
    return replace(item, affordable=min(item.affordable, max(0, 2 * slots - item.running)))


def _made_by(job: Job, task: Task) -> Task:
    """The task with the release that its attempt runs."""
    assert job.blocks is not None
    return replace(task, block=job.blocks.of(task.key.role).release)
