"""When the result of a task is the result of another: keys that are equal for work that gives equal results.

A key covers the chunk's bytes, the program with its manifest, its params, what runs it, and the names of the secrets it
is given. It covers the account as well, so that no account ever meets another's results. It does not cover the chunk's
number or the job: a program whose result depends on them is not deterministic.
"""

from __future__ import annotations

import hashlib
import json

from fanfold.jobs.blocks import read_manifest
from fanfold.jobs.models import Job, Json, Role


def reuses(job: Job) -> bool:
    """Whether results of a job's tasks may be those of other tasks: its app says so, and nobody turned it off."""
    return job.config.reuse and job.blocks is not None and job.blocks.app.manifest.get("deterministic") is True


def work_key(job: Job, environment: str | None) -> str:
    """What all tasks of a job's app have in common; "" where their results may not be reused. `environment` names what
    runs the app (an image's digest, the lock of an environment, an interpreter); None where that is not known."""
    if not reuses(job) or environment is None:
        return ""
    assert job.blocks is not None
    app = job.blocks.of(Role.APP)
    secrets = sorted(read_manifest(app.manifest).secrets)
    return content_of(["work", job.account_id, app.sha256, dict(job.params.app), environment, secrets])


def result_key(work: str, content: str) -> str:
    """The key of one task's result: what it has in common with its job's others, and its chunk's bytes."""
    return content_of(["result", work, content]) if work and content else ""


def content_of(value: Json) -> str:
    """The SHA-256 in hex of a JSON value in its one canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
