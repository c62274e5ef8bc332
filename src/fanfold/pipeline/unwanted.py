"""Long work of a stage asks here whether it is still wanted."""

from __future__ import annotations

from fanfold.jobs.models import Job
from fanfold.pipeline.tools import Tools, is_out_of_time

ASK_EVERY_S = 0.2


class Unwanted:
    """Asks, every now and then, whether a fetch or delivery that is under way is to end early."""

    def __init__(self, job: Job, tools: Tools) -> None:
        self.said = False
        self._job = job
        self._state = (tools.row or job).state
        self._tools = tools
        self._ask_at = tools.clock.monotonic() + ASK_EVERY_S

    def __call__(self) -> bool:
        """The server stops, the job was or is to be aborted, or its time is over."""
        self.said = self.said or self._tools.stopping() or (self._is_time_to_ask() and self._is_over())
        return self.said

    def _is_time_to_ask(self) -> bool:
        now = self._tools.clock.monotonic()
        if now < self._ask_at:
            return False
        self._ask_at = now + ASK_EVERY_S
        return True

    def _is_over(self) -> bool:
        job = self._tools.store.job(self._job.id)
        moved = job.state is not self._state or job.abort_asked_by != ""
        return moved or is_out_of_time(job, self._tools.clock.now())
