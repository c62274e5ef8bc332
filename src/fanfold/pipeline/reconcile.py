"""Reconciliation: compares database, executor and storage, and mends. At start, and every so often.

There is no special recovery code: what an earlier process left half done is found by the same questions.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from fanfold.errors import NotFound, Unavailable
from fanfold.pipeline.feeder import Feeder
from fanfold.pipeline.labelling import about
from fanfold.pipeline.retention import Retention
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.clock import Clock
from fanfold.ports.secrets import ProgramSecrets
from fanfold.ports.store import Store

EVERY_S = 30.0
FOLDERS_AT_ONCE = 200
FEWER_AT_ONCE = 20
"""Where each look at a folder is a request to a store."""

log = logging.getLogger(__name__)


class Reconciler:
    """One duty: what is on disk and on runners agrees with the rows."""

    def __init__(
        self, store: Store, workspace: Workspace, feeder: Feeder, secrets: ProgramSecrets, clock: Clock
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._feeder = feeder
        self._clock = clock
        self._retention = Retention(store, workspace, secrets, clock)
        self._next = clock.monotonic() + EVERY_S
        self._left: list[str] = []
        self._list_at = self._next
        self._is_here = workspace.blobs.at_once == 1

    def start(self) -> None:
        """Take over from an earlier process: what it handed out is running no more, but for what the executor holds."""
        taken = self._feeder.take_over()
        if taken:
            log.info("%d attempts of an earlier process were given back", taken)
        if held := self._feeder.at_work():
            self._workspace.sweep_scratch(frozenset(f"{attempt.task.job_id}.{attempt.name}" for attempt in held))
        else:
            self._workspace.drop_scratch()
        if self._is_here:  # a store takes longer to look through: that is done beside the work
            self.sweep(self._workspace.job_ids())

    def turn(self, busy: Collection[str] = ()) -> None:
        """Sweep a bounded batch of folders when it is time, but none of the jobs that a stage is busy with: what it has
        made is not in the rows yet."""
        if self._clock.monotonic() < self._next:
            return
        now, at_once = self._clock.monotonic(), FOLDERS_AT_ONCE if self._is_here else FEWER_AT_ONCE
        if not self._left:
            self._workspace.sweep_scratch(
                frozenset(f"{attempt.task.job_id}.{attempt.name}" for attempt in self._feeder.at_work())
            )
        if not self._left and now >= self._list_at:
            self._list_at = now + self._workspace.blobs.sweep_s
            self._left = self._workspace.job_ids()
        self.sweep([job_id for job_id in self._left[:at_once] if job_id not in busy])
        self._left = self._left[at_once:]
        self._next = self._clock.monotonic() + (1.0 if self._left else EVERY_S)

    def sweep(self, job_ids: list[str]) -> None:
        """Remove orphans: results that did not win, folders of jobs that are gone, files whose time is over."""
        for job_id in job_ids:
            try:
                self._sweep_one(job_id)
            except Unavailable as err:
                log.info("job %s: its folder is swept later: %s", job_id, err, extra={"job": job_id})

    def _sweep_one(self, job_id: str) -> None:
        folder = self._workspace.job(job_id)
        try:
            job = self._store.job(job_id)
        except NotFound:
            folder.remove()
            return
        if job.deleted_at is not None:
            folder.remove()
            return
        if self._retention.apply(job):
            return
        # First what is there, then what may still count: what is in the one and not in the other then never will, even
        # if this process stands still before it removes them and another goes on meanwhile.
        there = folder.results()
        kept = {attempt.name for attempt in self._feeder.at_work() if attempt.task.job_id == job_id}
        kept |= {attempt.name for attempt in self._store.current_results(job_id, claimed=True)} if there else set()
        if orphans := [name for name in there if name not in kept]:
            folder.drop_results(orphans)
            log.info("job %s: %d orphans were removed", job_id, len(orphans), extra=about(job))
