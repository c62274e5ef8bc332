"""Reconciliation: compares database, executor and storage, and mends. At start, and every so often.

There is no special recovery code: what an earlier process left half done is found by the same questions.
"""

from __future__ import annotations

import logging

from fanfold.errors import NotFound, Unavailable
from fanfold.pipeline.feeder import Feeder
from fanfold.pipeline.retention import Retention
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.clock import Clock
from fanfold.ports.secrets import ProgramSecrets
from fanfold.ports.store import Store

EVERY_S = 30.0
FOLDERS_AT_ONCE = 200

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

    def start(self) -> None:
        """Take over from an earlier process: nothing that it handed out is running any more."""
        taken = self._feeder.take_over()
        if taken:
            log.info("%d attempts of an earlier process were given back", taken)
        self._workspace.drop_scratch()
        self.sweep(self._workspace.job_ids())

    def turn(self) -> None:
        """Sweep a bounded batch of folders when it is time."""
        if self._clock.monotonic() < self._next:
            return
        if not self._left:
            self._left = self._workspace.job_ids()
            self._workspace.sweep_scratch(
                frozenset(f"{attempt.task.job_id}.{attempt.name}" for attempt in self._feeder.under_way())
            )
        self.sweep(self._left[:FOLDERS_AT_ONCE])
        self._left = self._left[FOLDERS_AT_ONCE:]
        self._next = self._clock.monotonic() + (1.0 if self._left else EVERY_S)

    def sweep(self, job_ids: list[str]) -> None:
        """Remove orphans: results that did not win, folders of jobs that are gone, files whose time is over."""
        for job_id in job_ids:
            try:
                self._sweep_one(job_id)
            except Unavailable as err:
                log.info("job %s: its folder is swept later: %s", job_id, err)

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
        working = frozenset(attempt.name for attempt in self._feeder.under_way() if attempt.task.job_id == job_id)
        current = frozenset(attempt.name for attempt in self._store.current_results(job_id))
        swept = folder.sweep(current | working)
        if swept:
            log.info("job %s: %d orphans were removed", job_id, swept)
