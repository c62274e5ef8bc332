"""What a line of the server's log is labelled with, so that all lines of a job or an account are found by it."""

from __future__ import annotations

from fanfold.jobs.models import Job


def about(job: Job) -> dict[str, str]:
    """The fields of a line that tells of a job."""
    return {"job": job.id, "account": job.account_id, "state": job.state.value}
