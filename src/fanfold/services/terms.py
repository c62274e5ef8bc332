"""The terms on which a round of a job may begin, and who says them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from fanfold.jobs.models import Job, JobConfig
from fanfold.jobs.money import Booking


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a round may begin: its configuration with what it was held to, warnings that say so, its estimate
    ("" where none was made), the hold, and how many unfinished jobs the account may have with it."""

    config: JobConfig
    warnings: tuple[str, ...] = ()
    estimate: str = ""
    bookings: tuple[Booking, ...] = ()
    most_jobs: int | None = None


class Treasury(Protocol):
    """Asked before a round begins."""

    def terms(self, job: Job) -> Terms:
        """The terms for a job as it will be, its blocks pinned and its round counted. The store holds to them."""


class NoTreasury:
    """Where nobody is charged and nobody shares: anything may run."""

    def terms(self, job: Job) -> Terms:
        """See `Treasury`."""
        return Terms(job.config)


UNCHARGED = NoTreasury()

_fits: type[Treasury] = NoTreasury
