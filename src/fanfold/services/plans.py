"""Plans of drafts, with how long all chunks take by what earlier jobs of the same app took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fanfold.errors import NotAllowedNow
from fanfold.jobs.models import Job, JobState, Task, TaskState
from fanfold.ports.plans import ChunkPlan, ChunkPlanner
from fanfold.ports.store import JobFilter, Store
from fanfold.services.jobs import JobService
from fanfold.services.validation import Validator

JOBS_LOOKED_AT = 50
JOBS_TAKEN = 3
TASKS_TAKEN = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that all programs of the app take together, by the number of chunks and by their bytes, and how many
    chunks of earlier jobs that was learned from."""

    low_s: float
    high_s: float
    learned_from: int


class PlanService:
    """What a caller may ask about jobs that have not been run."""

    def __init__(
        self, jobs: JobService, store: Store, validator: Validator, planner: ChunkPlanner, slots: Callable[[], int]
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._validator = validator
        self._planner = planner
        self.slots = slots

    def plan(self, account_id: str, job_id: str) -> tuple[ChunkPlan, Estimate | None]:
        """The chunks of a draft, nothing is run; an estimate where the app was run before. Raises as `JobService.run`
        and `ports.plans`."""
        job = self._jobs.get(account_id, job_id)
        if job.state is not JobState.NEW:
            raise NotAllowedNow(f"job '{job_id}' is in state {job.state.value}; only a draft can be planned")
        blocks, params = self._validator.checked(job)
        pinned = replace(job, blocks=blocks, params=params)
        plan = self._planner.plan(pinned)
        return plan, self._estimate(pinned, plan)

    def _estimate(self, job: Job, plan: ChunkPlan) -> Estimate | None:
        tasks = self._learned(job)
        taken = [
            (task.ended_at - task.started_at).total_seconds() for task in tasks if task.ended_at and task.started_at
        ]
        if not taken:
            return None
        by_count = plan.count * sum(taken) / len(taken)
        bytes_in = sum(task.usage.bytes_in for task in tasks)
        by_size = plan.size_bytes * sum(taken) / bytes_in if bytes_in else by_count
        return Estimate(min(by_count, by_size), max(by_count, by_size), len(taken))

    def _learned(self, job: Job) -> list[Task]:
        """Chunks that the same app did, in jobs of late."""
        assert job.blocks is not None
        wanted = JobFilter(account_id=job.account_id, states=(JobState.COMPLETE,), limit=JOBS_LOOKED_AT)
        found, _ = self._store.jobs(wanted)
        same = [other for other in found if other.blocks and other.blocks.app.id == job.blocks.app.id]
        return [
            task
            for other in same[:JOBS_TAKEN]
            for task in self._store.tasks(other.id, (TaskState.COMPLETED,), limit=TASKS_TAKEN)[0]
            if not task.reused_from
        ]
