"""What must hold at every moment, checked over rows and storage at once: `check_invariants()`.

The simulation, the kill sweep, `doctor` and a metric all ask here.
"""

from __future__ import annotations

from fanfold.errors import NotFound
from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import JobState
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.store import Store


def check_invariants(store: Store, workspace: Workspace) -> list[str]:
    """Every broken invariant as a sentence; empty when all is well."""
    return store.violations() + check_files(store, workspace)


def check_files(store: Store, workspace: Workspace) -> list[str]:
    """Those that files break."""
    return [said for job_id in workspace.job_ids() for said in _of_storage(store, workspace, job_id)]


def _of_storage(store: Store, workspace: Workspace, job_id: str) -> list[str]:
    try:
        job = store.job(job_id)
    except NotFound:
        return [f"folder of a job that does not exist: job {job_id}"]
    folder = workspace.job(job_id)
    kept = job.unfinished or job.state is JobState.FAILED
    missing = [
        f"completed task without its published result: job {job_id}, {attempt.name}"
        for attempt in store.current_results(job_id)
        if kept and not folder.has_result(attempt, None)
    ]
    return missing + _scratch(folder.path.name, workspace, ended=job.state in ENDED)


def _scratch(job_id: str, workspace: Workspace, *, ended: bool) -> list[str]:
    left = sorted(path.name for path in workspace.at_work() if path.name.startswith(f"{job_id}.")) if ended else []
    return [f"scratch left by an ended job: job {job_id}, {', '.join(left[:5])}"] if left else []
