"""What ended jobs leave behind goes when its time is over. The reconciler asks for every folder, as often as it likes:
what is due is told by the job's row alone."""

from __future__ import annotations

import logging

from fanfold.errors import NotFound
from fanfold.jobs.models import Job, Role, TaskKey
from fanfold.jobs.retention import data_ends_at, links_end_at
from fanfold.pipeline.labelling import about
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.clock import Clock
from fanfold.ports.secrets import ProgramSecrets
from fanfold.ports.store import Store

log = logging.getLogger(__name__)


class Retention:
    """One duty: no file outlives its promise."""

    def __init__(self, store: Store, workspace: Workspace, secrets: ProgramSecrets, clock: Clock) -> None:
        self._store = store
        self._workspace = workspace
        self._secrets = secrets
        self._clock = clock

    def apply(self, job: Job) -> bool:
        """Remove what is over; says whether that was all there is."""
        now = self._clock.now()
        end = data_ends_at(job)
        if end is not None and end <= now:
            self._secrets.job_over(job)  # before its folder, without which nobody looks at it again
            self._workspace.job(job.id).remove()
            days = job.config.retention_days
            log.info("job %s: its files were removed, %g days after its end", job.id, days, extra=about(job))
            return True
        links_end = links_end_at(job)
        if links_end is not None and links_end <= now:
            self._drop_output(job)
        return False

    def _drop_output(self, job: Job) -> None:
        """The links are over: the assembler's result goes, the rest stays until its own time."""
        try:
            task = self._store.task(TaskKey(job.id, Role.ASSEMBLER, job.merge_round - 1))
        except NotFound:
            return
        folder = self._workspace.job(job.id)
        if folder.blobs.exists(folder.result(task.attempt_key)):
            folder.drop_result(task.attempt_key)
            folder.drop_records()
            log.info("job %s: its output was removed, its links are over", job.id, extra=about(job))
