"""The scheduler: takes due jobs, has the state's work done, writes the next state. The only part that moves jobs by
itself; what people command goes through the same `step` and `advance`.

One turn looks at everything that may be due and never waits for work, so it can be called at any time, any number of
times: wake-ups are hints, the rows decide.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import Protocol

from fanfold.errors import BadInput, IllegalMove, LostRace, OutOfSpace, Unavailable
from fanfold.jobs.lifecycle import ACTIVE, ENDED, Event, Failed, Paused, Step, Waited, step
from fanfold.jobs.models import Job, JobState
from fanfold.jobs.work import WORK, Work
from fanfold.pipeline.feeder import Feeder
from fanfold.pipeline.labelling import about
from fanfold.pipeline.prepare import LOOK_AGAIN
from fanfold.pipeline.reconcile import Reconciler
from fanfold.pipeline.tools import Tools, is_out_of_time, out_of_time
from fanfold.pipeline.walk import walked
from fanfold.ports.signals import Signal
from fanfold.ports.store import JobFilter

NEW_WORK = frozenset({Work.PREPARE, Work.FETCH})
"""Work that is not begun while the disk is short; nor is any program. What ends a job goes on: it makes room."""

LOOK_EVERY_S = 0.02
"""Due jobs are looked up at most so often while nothing but task reports wakes the scheduler."""

DROP_EVERY_S = 0.2
"""An aborted job's programs learn of it so soon; what they get then to end is the kill grace."""

LONGEST_WAIT_S = 0.25

GATHER_S = 0.03
"""While the executor has work waiting and no stage is under way, reports are gathered for so long, so that one commit
serves many; and after a turn for so long, what others commit."""

DUE_AT_ONCE = 50

FULL_TRIES = 10
"""How often the end of a job is written to a full disk, half a second apart, before the scheduler gives up."""

log = logging.getLogger(__name__)


class Workers(Protocol):
    """Where stages run: a thread pool, or at once in a simulation."""

    def submit(self, work: Callable[[Job, Tools], list[Step]], job: Job, tools: Tools, /) -> Future[list[Step]]:
        """Run it; the future tells its result."""


@dataclass(slots=True)
class _Timers:
    """When periodic duties are next due, on the monotonic clock."""

    look: float = 0.0
    renew: float = 0.0
    drop: float = 0.0
    expire: float = 0.0


class Scheduler:
    """One orchestrator over one store and one executor."""

    def __init__(
        self, tools: Tools, feeder: Feeder, reconciler: Reconciler, workers: Workers, wake: Signal, lease_s: float
    ) -> None:
        self._tools = tools
        self._feeder = feeder
        self._reconciler = reconciler
        self._workers = workers
        self._wake = wake
        self._lease_s = lease_s
        self._renew_every_s = min(1.0, lease_s / 4)
        self._busy: dict[str, tuple[Job, Future[list[Step]]]] = {}
        self._timers = _Timers()
        self._full = 0
        self._short = False
        self._heard = False
        self.stopping = False
        self.draining = False
        self.moved = threading.Event()
        self.broken: Exception | None = None

    def run(self) -> None:
        """Work until `stop` is called. A defect ends it too: `broken` keeps it for the door that started this."""
        try:
            self._run()
        except Exception as err:  # noqa: BLE001 - raised again by the door
            self.broken = err

    def _run(self) -> None:
        began = False
        while not self.stopping:
            try:
                if not began:
                    self._reconciler.start()
                    began = True
                wait_s = self.turn()
            except OutOfSpace as err:
                wait_s = self._without_space(err)
            except Unavailable as err:
                log.warning("the store or storage does not answer, trying again: %s", err)
                wait_s = 1.0
            self._rest(wait_s)

    def _rest(self, wait_s: float) -> None:
        """Wait until woken; then let more come where much does: reports of a busy executor, and what others commit."""
        since = self._tools.clock.monotonic()
        if not self._wake.wait(wait_s):
            return
        heard, self._heard = self._heard, False
        if self._feeder.has_backlog() and not self._busy:
            self._wake.pause(GATHER_S)
        elif heard:
            self._wake.pause(max(0.0, since + GATHER_S - self._tools.clock.monotonic()))

    def others_wrote(self) -> None:
        """Another process has committed something: look soon, at most once in GATHER_S. Returns at once."""
        self._heard = True
        self._wake.wake()

    def _without_space(self, err: OutOfSpace) -> float:
        """The store's disk is full: wait for space, or end the jobs while the ballast still lets it be written."""
        self._full += 1
        self._tools.workspace.drop_ballast()
        self._short = bool(self._tools.shortage())
        if not self._tools.fail_when_full or self._full > FULL_TRIES:
            log.warning("the store's disk is full, trying again: %s", err)
            if self._tools.fail_when_full:
                raise err
            return 1.0
        try:
            self._end_for_space(str(err))
        except Unavailable as again:
            log.warning("the jobs cannot be ended yet, trying again: %s", again)
        return 0.5

    def _end_for_space(self, why: str) -> None:
        """Fail every job but one that is being delivered: that repeats itself with what the ballast left."""
        jobs, _ = self._tools.store.jobs(JobFilter(states=tuple(ACTIVE - {JobState.DOWNLOADING})))
        for job in jobs:
            self._feeder.forget(job)
            if self._full > 1:
                self._tools.workspace.job(job.id).remove_data()
            self._write([self._stepped(job, Failed("disk_full", why))])

    def stop(self) -> None:
        """End `run` after its present turn."""
        self.stopping = True
        self._wake.wake()

    def drain(self) -> None:
        """Start nothing more, give back what waits; what runs goes on and is written when it ends."""
        self.draining = True
        self._feeder.drain()

    def idle(self) -> bool:
        """Whether nothing that was started is still under way."""
        return not self._busy and not self._feeder.under_way()

    def last_words(self) -> None:
        """Write what runners and stages still had to say after the executor was closed."""
        for _, future in self._busy.values():
            wait_for([future])
        self._land()
        self._feeder.collect()

    def turn(self) -> float:
        """Do everything that is due now; returns for how many seconds nothing else is known to be."""
        now = self._tools.clock.monotonic()
        ended = self._feeder.collect()
        self._duties(now)
        landed = self._land()
        if self.draining:
            return LOOK_EVERY_S
        looked = False
        if landed or now >= self._timers.look:
            left, looked = self._launch(), True
            self._timers.look = now if left else now + LOOK_EVERY_S
            landed = landed or left
        short = bool(self._tools.shortage())
        started = 0 if short else self._feeder.fill()
        self._write([self._stepped(job, _spent(job)) for job in self._feeder.spent()])
        if landed or (self._feeder.has_more() and not short):
            return 0.0
        return LOOK_EVERY_S if ended or started or not looked else LONGEST_WAIT_S

    def _duties(self, now: float) -> None:
        if now >= self._timers.renew:
            # Where this process stood still or the store was away, silence says nothing about the runners.
            self._feeder.renew(everyone=now - self._timers.renew > self._lease_s / 4)
            self._timers.renew = now + self._renew_every_s
        if now >= self._timers.drop:
            self._timers.drop = now + DROP_EVERY_S
            self._feeder.drop_ended()
        if now >= self._timers.expire:
            self._timers.expire = now + 1.0
            self._feeder.expire()
            now_at = self._tools.clock.now()
            self._write([self._stepped(job, Waited(why, now_at)) for job, why in self._feeder.waiting()])
            self._watch_space()
        self._reconciler.turn(self._busy)

    def _watch_space(self) -> None:
        """Where the disk was short and is not any more, the ballast is reserved again for the next time."""
        was, self._short = self._short, bool(self._tools.shortage())
        if was and not self._short and not self._tools.workspace.has_ballast():
            self._tools.workspace.keep_ballast()

    def _launch(self) -> bool:
        """Give due jobs' work to the workers; says whether anything was written at once."""
        now, short = self._tools.clock.now(), self._tools.shortage()
        at_once: list[tuple[Job, Event]] = []
        for job in self._tools.store.due_jobs(now, DUE_AT_ONCE, self._tools.max_partitioning):
            if job.id in self._busy:
                continue
            if is_out_of_time(job, now) and WORK[job.state] is not Work.DELIVER:
                at_once.append((job, out_of_time(job)))
                continue
            if job.due_at is not None and job.due_at > now:
                continue  # out of time, and what it had delivered cannot be taken back just now
            if WORK[job.state] in NEW_WORK and short:
                if job.waiting_reason != short:  # said once: what is written again and again would fill the disk
                    at_once.append((job, Waited(short, now + LOOK_AGAIN)))
                continue
            future = self._workers.submit(walked, job, self._tools)
            self._busy[job.id] = (job, future)
            future.add_done_callback(lambda _: self._wake.wake())
        return self._write([self._stepped(job, event) for job, event in at_once])

    def _land(self) -> bool:
        """Write the steps of stages that have ended; says whether there were any."""
        done = [(job_id, job, future) for job_id, (job, future) in self._busy.items() if future.done()]
        for job_id, _, _ in done:
            del self._busy[job_id]
        self._write([self._steps_of(job, future) for _, job, future in done])
        return bool(done)

    def _steps_of(self, job: Job, future: Future[list[Step]]) -> list[Step]:
        """What stages came to; a store or disk that does not answer is waited for, a defect fails the job."""
        error = future.exception()
        if error is None:
            return future.result()
        if isinstance(error, OutOfSpace) and self._tools.fail_when_full:
            return self._stepped(job, Failed("disk_full", str(error)))
        if isinstance(error, Unavailable):
            return self._stepped(job, Waited(str(error), self._tools.clock.now() + LOOK_AGAIN))
        if not isinstance(error, Exception):
            raise error
        log.error("job %s: %s broke", job.id, WORK[job.state].value, exc_info=error, extra=about(job))
        said = f"{WORK[job.state].value} broke: {type(error).__name__}: {error}. This is a defect; please report it."
        return self._stepped(job, Failed("internal", said))

    def _stepped(self, job: Job, event: Event) -> list[Step]:
        """The one step; none where the job is not any more what it was."""
        try:
            return [step(job, event, self._tools.clock.now())]
        except IllegalMove as err:
            log.debug("job %s: an event came too late: %s", job.id, err, extra=about(job))
            return []

    def _write(self, told: Iterable[list[Step]]) -> bool:
        """Advance, all with one commit; says whether there was anything to be written. Where somebody else was first
        nothing is: the rows say what is to be done next."""
        walks = [steps for steps in told if steps]
        if not walks:
            return False
        written, refused = [], []
        with self._tools.store.grouped():
            for steps in walks:
                before = steps[0].before
                try:
                    written.append((self._tools.store.advance(*steps), steps))
                except LostRace as err:
                    log.debug("job %s: a stage came too late: %s", before.id, err, extra=about(before))
                except BadInput as err:
                    if isinstance(steps[-1].event, Failed):
                        raise
                    refused.append((before, Failed("internal", f"what came of {before.state.word} is lost: {err}")))
        for job, steps in written:
            self._after(job, steps)
        self._write([self._stepped(job, event) for job, event in refused])
        return True

    def _after(self, job: Job, steps: Sequence[Step]) -> None:
        self.moved.set()
        for one in steps:
            said = (job.id, one.after.state.value, type(one.event).__name__)
            log.info("job %s: %s by %s", *said, extra=about(job))
        if job.state in ENDED:
            self._feeder.forget(job)
        else:
            self._feeder.note(job)


def _spent(job: Job) -> Event:
    """It stands still where its cap lets nothing more start."""
    cap, paid = job.config.max_cost or 0, job.payment_amount
    said = f"it has cost {paid:f} of at most {cap:f} chips (config.maxCost), and one more task might pass that"
    return Paused("the cap on its cost", f"{said}; raise maxCost and resume it")
