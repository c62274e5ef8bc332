"""Jobs: create, edit, run, abort, retry. What people command goes through `step` and `advance` like everything else.

Every command names the account that asks; another account's job is NotFound, so that ids tell nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fanfold.errors import BadInput, Conflict, LostRace, NotAllowedNow, NotFound, Problem, Refused
from fanfold.jobs.failures import FailureGroup
from fanfold.jobs.lifecycle import (
    ENDED,
    AbortAsked,
    Aborted,
    Deleted,
    Edited,
    Event,
    Limited,
    Paused,
    Renamed,
    Resumed,
    RetryAccepted,
    RunAccepted,
    Step,
    step,
)
from fanfold.jobs.models import DataRef, Job, JobConfig, JobState, RetryWhat
from fanfold.jobs.retention import data_ends_at
from fanfold.ports.clock import Clock
from fanfold.ports.datasource import Preview
from fanfold.ports.signals import Signal
from fanfold.ports.store import Store
from fanfold.services.place_secrets import NoPlaceSecrets, PlaceSecrets
from fanfold.services.room import UNBOUNDED, Room
from fanfold.services.terms import UNCHARGED, Terms, Treasury
from fanfold.services.validation import Validator

RACES = 20
MOST_GROUPS = 1000
NO_SECRETS = NoPlaceSecrets()


@dataclass(frozen=True, slots=True)
class Retry:
    """What a further round shall do again, and with which other versions; "" keeps what the job has."""

    what: RetryWhat = RetryWhat.FAILED
    failure_id: str = ""
    app: str = ""
    assembler: str = ""


EVERYTHING = Retry()


class JobService:
    """What a caller may ask about jobs."""

    def __init__(
        self,
        store: Store,
        validator: Validator,
        clock: Clock,
        wake: Signal,
        secrets: PlaceSecrets = NO_SECRETS,
        room: Room = UNBOUNDED,
        *,
        treasury: Treasury = UNCHARGED,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._room = room
        self._treasury = treasury
        self._validator = validator
        self._clock = clock
        self._wake = wake

    def get(self, account_id: str, job_id: str) -> Job:
        """A job of the account that is not deleted; NotFound for every other."""
        job = self._store.job(job_id)
        if job.account_id != account_id or job.deleted_at is not None:
            raise NotFound(f"there is no job '{job_id[:100]}'")
        return job

    def create(self, account_id: str, by: str, job_id: str = "", **draft: Any) -> Job:
        """A new draft; `draft` gives Job fields. Raises Conflict where the id exists."""
        job = Job(id=job_id or str(uuid.uuid4()), account_id=account_id, created_at=self._clock.now())
        job = replace(job, **draft)
        self._validator.check_draft(job)
        job = self._secrets.sealed(job)
        try:
            self._store.insert_job(job, by)
        except Refused:
            self._secrets.replaced(job, replace(job, data_source=DataRef(), data_destination=DataRef()))
            raise
        return job

    def create_or_edit(self, account_id: str, by: str, job_id: str, **draft: Any) -> Job:
        """A new draft under an id, or new values for the account's draft of that id; Conflict for any other job."""
        try:
            found = self._store.job(job_id)
        except NotFound:
            return self.create(account_id, by, job_id, **draft)
        if found.account_id != account_id or found.deleted_at is not None:
            raise Conflict(f"the job id '{job_id}' is taken; choose another or leave it out")
        if found.state is not JobState.NEW:
            raise Conflict(f"job '{job_id}' is in state {found.state.value} and cannot be changed; make a new job")
        return self.edit(account_id, job_id, **draft)

    def edit(self, account_id: str, job_id: str, **changes: Any) -> Job:
        """Change a draft; raises NotAllowedNow past NEW, BadParams for params that break a schema."""
        seen: list[Job] = []

        def edited(job: Job) -> Event:
            if job.state is not JobState.NEW:
                raise NotAllowedNow(f"job '{job_id}' is in state {job.state.value}; only a draft can be changed")
            self._validator.check_draft(replace(job, **changes))
            seen.append(job)
            return Edited(changes | self._sealed(job, changes))

        after = self._stepped(account_id, job_id, edited)
        self._secrets.replaced(seen[-1], after)
        return after

    def _sealed(self, job: Job, changes: Mapping[str, Any]) -> dict[str, DataRef]:
        """The places that are changed, as they may be stored."""
        source, destination = changes.get("data_source"), changes.get("data_destination")
        new = replace(job, data_source=source or DataRef(), data_destination=destination or DataRef())
        sealed = self._secrets.sealed(new, job)
        found = {"data_source": sealed.data_source, "data_destination": sealed.data_destination}
        return {name: ref for name, ref in found.items() if name in changes}

    def rename(self, account_id: str, job_id: str, name: str) -> Job:
        """Give a job, in whatever state, another name."""
        return self._stepped(account_id, job_id, lambda _: Renamed(name))

    def run(self, account_id: str, job_id: str, by: str, config: JobConfig | None = None) -> Job:
        """Validate and start; raises BadInput with every problem, OutOfSpace, QuotaExceeded or BalanceTooLow, and the
        job stays NEW."""
        job = self.get(account_id, job_id)
        if job.state is not JobState.NEW:
            raise NotAllowedNow(f"job '{job_id}' was run already; it is in state {job.state.value}")
        self._room.left(account_id)
        blocks, params = self._validator.checked(job)
        config, said = self._shortened(account_id, config or job.config)
        terms = self._treasury.terms(replace(job, blocks=blocks, config=config))
        steps, now = list[Step](), self._clock.now()
        if params != job.params or said or terms.warnings:
            changes = {"params": params, "warnings": (*job.warnings, *said, *terms.warnings)}
            steps.append(step(job, Edited(changes), now))
            job = steps[0].after
        return self._begun([*steps, step(job, RunAccepted(blocks, terms.config, by, terms.estimate), now)], terms)

    def _begun(self, steps: Sequence[Step], terms: Terms) -> Job:
        """A round begins, by the last of the steps, on its terms; BalanceTooLow or QuotaExceeded, with nothing changed,
        where they do not hold."""
        begun = replace(steps[-1], bookings=terms.bookings, most_jobs=terms.most_jobs)
        return self._woken(self._store.advance(*steps[:-1], begun))

    def _shortened(self, account_id: str, config: JobConfig) -> tuple[JobConfig, list[str]]:
        """What a quota leaves of the days that a job's files are to be kept, and a warning where that is less."""
        most = self._room.most_days(account_id)
        if config.retention_days <= most:
            return config, []
        said = f"config.retentionDays: {config.retention_days:g} is more than the account's quota, {most:g}"
        return replace(config, retention_days=most), [said]

    def retry(self, account_id: str, job_id: str, by: str, wish: Retry = EVERYTHING) -> Job:
        """Open a new round of a job that failed or is partial: what finished is kept, the rest is run again."""
        job = self.get(account_id, job_id)
        if job.state not in ENDED or (job.state is JobState.COMPLETE and not job.partial):
            said = "only a failed job, or a partial one, can be tried again"
            raise NotAllowedNow(f"job '{job_id}' is in state {job.state.value}; {said}")
        kept_until = data_ends_at(job)
        if kept_until is not None and kept_until <= self._clock.now():
            said = f"its chunks and results were kept for {job.config.retention_days:g} days (config.retentionDays)"
            raise NotAllowedNow(f"job '{job_id}' cannot be tried again: {said} and are gone; make a new job")
        self._check_retry(job, wish)
        self._room.left(account_id)
        tags = replace(job.tags, app=wish.app or job.tags.app, assembler=wish.assembler or job.tags.assembler)
        blocks, _ = self._validator.checked(replace(job, tags=tags))
        terms = self._treasury.terms(replace(job, blocks=blocks, round=job.round + 1))
        event = RetryAccepted(by, blocks, wish.what, wish.failure_id)
        return self._begun([step(job, event, self._clock.now())], terms)

    def _check_retry(self, job: Job, wish: Retry) -> None:
        """Whether there is what shall be done again."""
        if wish.what is RetryWhat.MERGE:
            if wish.app or wish.failure_id:
                said = "a merge alone runs no chunk: leave out the app and the failure group"
                raise BadInput("the retry is not right", [Problem("what", said)])
            if problem := _no_merge(job):
                raise NotAllowedNow(f"job '{job.id}' has no results to be merged again: {problem}; retry what failed")
        elif wish.failure_id and all(group.id != wish.failure_id for group in self.failures(job)):
            said = f"job '{job.id}' has no group of failures '{wish.failure_id[:100]}'; see its failures"
            raise BadInput("the retry is not right", [Problem("failureId", said)])

    def failures(self, job: Job) -> list[FailureGroup]:
        """The failed tasks of a job by what failed them, the largest group first."""
        return self._store.failure_groups(job.id, MOST_GROUPS)

    def abort(self, account_id: str, job_id: str, by: str) -> Job:
        """End a job: a draft is deleted, a running one fails; an ended one stays as it is. Safe to repeat."""
        return self._woken(self._stepped(account_id, job_id, lambda job: _abortion(job, by), deleted=True))

    def delete(self, account_id: str, job_id: str, by: str) -> Job:
        """Remove a job; one that runs is aborted first. Safe to repeat.

        One that is being delivered goes when its delivery has been taken back: ask again.
        """
        job = self.abort(account_id, job_id, by)
        if job.deleted_at is None and job.state in ENDED:
            job = self._woken(self._stepped(account_id, job_id, lambda _: Deleted(by)))
        return job

    def test_places(self, account_id: str, source: DataRef | None, destination: DataRef | None) -> Preview | None:
        """Try a source and a destination for real; what the source holds. Raises BadInput naming every problem."""
        places = (ref and replace(ref, account_id=account_id) for ref in (source, destination))
        return self._validator.look(*places)

    def pause(self, account_id: str, job_id: str, by: str) -> Job:
        """Start no more tasks of a job until it is resumed."""
        return self._stepped(account_id, job_id, lambda job: Paused(by) if _running(job) else None)

    def resume(self, account_id: str, job_id: str, by: str) -> Job:
        """Go on with a paused job."""
        return self._woken(self._stepped(account_id, job_id, lambda job: Resumed(by) if _running(job) else None))

    def limit(self, account_id: str, job_id: str, by: str, change: Callable[[Job], Limited]) -> Job:
        """Change the limits of a running job."""
        return self._woken(self._stepped(account_id, job_id, lambda job: change(job) if _running(job) else None))

    def _woken(self, job: Job) -> Job:
        self._wake.wake()
        return job

    def _stepped(
        self, account_id: str, job_id: str, event_for: Callable[[Job], Event | None], *, deleted: bool = False
    ) -> Job:
        """Advance by what `event_for` says of the job as it is now, again where another writer was first."""
        for _ in range(RACES):
            job = self._store.job(job_id)
            if job.account_id != account_id or (job.deleted_at is not None and not deleted):
                raise NotFound(f"there is no job '{job_id[:100]}'")
            event = event_for(job)
            if event is None:
                return job
            try:
                return self._store.advance(step(job, event, self._clock.now()))
            except LostRace:
                continue
        raise LostRace(f"job '{job_id}' is changed by others all the time; try again")


def _no_merge(job: Job) -> str:
    """Why the assembler of an ended job cannot be run over what is there; "" where it can."""
    tally = job.tally
    if job.num_chunks is None:
        return "it failed before its chunks were made"
    if tally.done + tally.failed < tally.total:
        return f"{tally.total - tally.done - tally.failed} of its chunks were not tried"
    if tally.failed > job.config.failures_allowed(tally.total):
        return f"{tally.failed} of its chunks failed, {job.config.failures_allowed(tally.total)} are tolerated"
    return ""


def _running(job: Job) -> bool:
    if not job.unfinished:
        raise NotAllowedNow(f"job '{job.id}' is in state {job.state.value}; it does not run")
    return True


def _abortion(job: Job, by: str) -> Event | None:
    if job.deleted_at is not None or job.state in (JobState.COMPLETE, JobState.FAILED):
        return None
    if job.state is JobState.NEW:
        return Deleted(by)
    if job.state is JobState.DOWNLOADING:
        return AbortAsked(by) if not job.abort_asked_by else None
    return Aborted(by)
