"""How long a job's files are kept: pure arithmetic over its row."""

from __future__ import annotations

from datetime import datetime, timedelta

from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import Job, JobState

BUCKET = "bucket"
"""The destination that keeps the output on the server for a while."""

LINKS_LIVE = timedelta(hours=48)


def keeps_output(job: Job) -> bool:
    """Whether a job's output is to be fetched from the server."""
    return job.state is JobState.COMPLETE and job.data_destination.descriptor == BUCKET and job.deleted_at is None


def links_end_at(job: Job) -> datetime | None:
    """Until when the output can be fetched by its links; None where there are none."""
    return job.ended_at + LINKS_LIVE if keeps_output(job) and job.ended_at is not None else None


def data_ends_at(job: Job) -> datetime | None:
    """When all files of an ended job go: after `retention_days`, never before its links; None before it has ended."""
    if job.state not in ENDED or job.ended_at is None:
        return None
    kept = job.ended_at + timedelta(days=job.config.retention_days)
    return max(kept, links_end_at(job) or kept)
