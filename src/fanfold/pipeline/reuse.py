"""Results that are known are taken, not made again: a task that waits ends with the result that equal work has left.

Each job's tasks are looked through once when its chunks are published, before the first is claimed. From then on a task
whose equal is running waits (the store claims one of them at a time) and is ended here as soon as that one is done. The
result is the job's own: its files have second names below the job's folder, so whatever becomes of the other job harms
nobody. Order: the links, their folders on disk, then the commit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fanfold.jobs.models import Job, JobState, Task, TaskState
from fanfold.jobs.reuse import reuses
from fanfold.jobs.task_lifecycle import after_reuse
from fanfold.pipeline.linking import ResultGone, link_result
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.clock import Clock
from fanfold.ports.store import Finished, Reused, Store

LOOKED_AT_ONCE = 250
TURN_S = 0.02
"""A turn looks at no further chunks after so long."""

JOBS_KNOWN = 1000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Walk:
    """How far the tasks of a job's round have been looked through."""

    round: int
    chunks: int
    first: int = 0

    @property
    def done(self) -> bool:
        return self.first >= self.chunks


class Reuser:
    """One duty: known results for tasks that wait."""

    def __init__(self, store: Store, workspace: Workspace, clock: Clock) -> None:
        self._store = store
        self._workspace = workspace
        self._clock = clock
        self._walks: dict[str, _Walk] = {}
        self._left: dict[str, Task] = {}

    def note(self, job: Job) -> None:
        """A job was written or read: one that is new here, or in a new round, is to be looked through."""
        if job.state is not JobState.PARTITIONED or not reuses(job):
            return
        known = self._walks.get(job.id)
        if known is None or known.round != job.round:
            if len(self._walks) > JOBS_KNOWN:
                self._walks = {job_id: walk for job_id, walk in self._walks.items() if not walk.done}
            self._walks[job.id] = _Walk(job.round, job.num_chunks or 0)

    def learned(self, ended: Iterable[Finished]) -> None:
        """Attempts have ended: what waited for those that ended well is to take their results."""
        for task in (change.after for change in ended):
            if task.result_key and task.state is TaskState.COMPLETED:
                self._left[task.result_key] = task

    def forget(self, job_id: str) -> None:
        """A job has ended."""
        self._walks.pop(job_id, None)

    def is_through(self, job: Job) -> bool:
        """Whether every result that is known for a job's tasks has been taken, so that the others may be started."""
        walk = self._walks.get(job.id)
        return walk is None or (walk.done and not self._left)

    def has_more(self) -> bool:
        """Whether `turn` has more to do at once."""
        return bool(self._left) or any(not walk.done for walk in self._walks.values())

    def turn(self) -> None:
        """Take known results, for a moment."""
        until = self._clock.monotonic() + TURN_S
        if self._left:
            self._hand_on()
        for job_id, walk in list(self._walks.items()):
            while not walk.done and self._clock.monotonic() < until:
                self._look(job_id, walk)

    def _hand_on(self) -> None:
        waiting = self._store.awaiting(list(self._left), LOOKED_AT_ONCE)
        self._take([(task, self._left[task.result_key]) for task in waiting])
        if len(waiting) < LOOKED_AT_ONCE:
            self._left.clear()

    def _look(self, job_id: str, walk: _Walk) -> None:
        """Look at a range of chunks; once more where a result turned out to be gone, since another may be known."""
        if self._take(self._store.known(job_id, walk.first, LOOKED_AT_ONCE)):
            walk.first += LOOKED_AT_ONCE

    def _take(self, pairs: Sequence[tuple[Task, Task]]) -> bool:
        """Give tasks the results of others; says whether all were there."""
        now, changes, gone = self._clock.now(), [], []
        made: set[Path] = set()
        for task, donor in pairs:
            change = Reused(task, after_reuse(task, donor, now))
            try:
                made |= self._linked(donor, change.after)
            except ResultGone as err:
                log.info("job %s: %s", donor.key.job_id, err, extra={"job": donor.key.job_id})
                gone.append(donor)
            else:
                changes.append(change)
        self._commit(changes, made)
        self._forget(gone)
        return not gone

    def _commit(self, changes: Sequence[Reused], made: set[Path]) -> None:
        for folder in sorted(made):
            self._workspace.effects.fsync_folder(folder)
        if changes:
            self._drop_all_but(self._store.reuse(changes), changes)

    def _forget(self, gone: Sequence[Task]) -> None:
        if gone:
            self._store.forget([task.key for task in gone])
        for task in gone:
            self._left.pop(task.result_key, None)

    def _drop_all_but(self, written: Sequence[Reused], changes: Sequence[Reused]) -> None:
        """The task was ended by somebody else meanwhile: nobody needs the links."""
        kept = {change.after.key for change in written}
        for task in (change.after for change in changes if change.after.key not in kept):
            self._workspace.job(task.key.job_id).drop_result(task.attempt_key)

    def _linked(self, donor: Task, task: Task) -> set[Path]:
        """Give a result its second name; the folders that are to be brought to disk."""
        assert donor.result is not None
        theirs = self._workspace.job(donor.key.job_id).result(donor.attempt_key)
        own = self._workspace.job(task.key.job_id).result(task.attempt_key)
        return link_result(theirs, own, donor.result, self._workspace.blobs)
