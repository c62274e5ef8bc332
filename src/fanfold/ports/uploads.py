"""What is known of uploads: at most one for each job, replaced by a later one until it is declared complete."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Upload:
    """The input file of a job. `name` is what programs see, `location` its file in the job's `source` folder, `sha256`
    hex. `completed_at` is set once its owner said that nothing more comes."""

    job_id: str
    account_id: str
    name: str
    location: str
    size_bytes: int
    sha256: str
    uploaded_at: datetime
    completed_at: datetime | None = None


class Uploads(Protocol):
    """Durable when a call returns. Raises Unavailable, OutOfSpace."""

    def find(self, job_id: str) -> Upload | None:
        """The upload of a job, if there is one."""

    def put(self, upload: Upload) -> Upload | None:
        """Write an upload and return the one it replaced; Conflict, and nothing changed, where that is complete."""

    def complete(self, job_id: str, at: datetime) -> bool:
        """Declare a job's upload complete, safe to repeat; False where there is none."""

    def remove(self, job_id: str) -> None:
        """Forget the upload of a job; safe to repeat."""
