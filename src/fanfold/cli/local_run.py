"""A run on this machine from wish to exit code: find its state, wire the parts, watch, tell how it ended."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fanfold.cli.exits import Exit
from fanfold.cli.notices import changes_since, notices_of
from fanfold.cli.run_state import (
    LOCAL_ACCOUNT,
    MANIFEST,
    check_place,
    discard,
    earlier_job,
    environments_folder,
    held,
    is_done,
    refuse_filled,
    state_of,
)
from fanfold.cli.wishes import Wish, draft_of
from fanfold.errors import Unavailable
from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import Job, JobState
from fanfold.jobs.progress import progress_of
from fanfold.settings import Settings
from fanfold.wiring import Parts, wire

if TYPE_CHECKING:
    from fanfold.cli.ending import Ending
    from fanfold.cli.progress import Display

WATCH_EVERY_S = 0.2


def carry_out(wish: Wish) -> Exit:
    """Run, or continue, and say how it ended."""
    output = wish.output.absolute()
    state = state_of(output)
    with held(wish, state):
        if is_done(wish, output, state):
            print(f"nothing to resume: '{wish.output}' holds a complete output", file=sys.stderr)
            return Exit.OK
        check_place(wish, output, state)
        return _carried_out(wish, output, state)


def _carried_out(wish: Wish, output: Path, state: Path) -> Exit:
    with _interrupts() as interrupted:
        parts = _wired(wish, state)
        try:
            job, notices = _begun(wish, parts)
            parts.thread.start()
            job = _watched(wish, parts, job, notices, interrupted)
            ending = _ending(parts, job, output)
        finally:
            parts.close()
    if job.state is JobState.COMPLETE:  # nothing of it is needed any more
        discard(state)
    return _told(wish, ending, parts, notices)


def _wired(wish: Wish, state: Path) -> Parts:
    settings = Settings.load(
        environment=os.environ,
        state=state,
        slots=wish.slots,
        python=wish.python,
        oversize="clamp",
        full_disk="fail",
        environments=environments_folder(),
    )
    try:
        return wire(settings)
    except OSError as err:
        hint = "Free some space, or set XDG_STATE_HOME to another folder."
        raise Unavailable(f"the state folder '{state}' cannot be used: {err.strerror}.", hint=hint) from err


def _begun(wish: Wish, parts: Parts) -> tuple[Job, list[str]]:
    """The job of this run, the interrupted one or a new one that passed validation, and what to know about it."""
    job = earlier_job(wish, parts.store)
    if job is not None and job.state is not JobState.NEW:
        return job, list(changes_since(wish, job))
    try:
        if job is None:
            if not wish.force:
                refuse_filled(wish.output)
            job = parts.jobs.create(LOCAL_ACCOUNT, "you", **draft_of(wish))
        job = parts.jobs.run(LOCAL_ACCOUNT, job.id, "you")
    except BaseException:  # nothing was run: leave no state behind that would look like an interrupted run
        discard(parts.settings.state)
        raise
    walls = [f"programs run without a sandbox: {parts.unisolated}"] if parts.unisolated else []
    return job, [*walls, *notices_of(job, parts.executor.capacity().largest)]


def _watched(wish: Wish, parts: Parts, job: Job, notices: list[str], interrupted: list[int]) -> Job:
    """Show progress until the job has ended or somebody interrupts."""
    from fanfold.cli.progress import display_for  # 40 ms, while the first stages run

    with display_for(wish) as display:
        for notice in notices:
            display.note(notice)
        return _followed(parts, job, display, interrupted)


def _followed(parts: Parts, job: Job, display: Display, interrupted: list[int]) -> Job:
    told = 0
    while True:
        job = parts.store.job(job.id)
        for warning in job.warnings[told:]:
            display.note(warning)
        told = len(job.warnings)
        display.show(job, progress_of(job, parts.clock.now()))
        if job.state in ENDED or interrupted:
            return job
        if not parts.thread.is_alive():
            raise parts.scheduler.broken or RuntimeError("the scheduler ended by itself")
        if parts.scheduler.moved.wait(WATCH_EVERY_S):
            parts.scheduler.moved.clear()


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collects Ctrl-C and TERM instead of raising; a second one ends the process at once."""
    seen: list[int] = []

    def note(number: int, _frame: object) -> None:
        if seen:
            signal.signal(number, signal.SIG_DFL)
        seen.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ending(parts: Parts, job: Job, output: Path) -> Ending:
    """Everything there is to tell, gathered while the store is open."""
    from fanfold.cli.ending import Ending, failure_of

    logs = parts.workspace.job(job.id).logs
    failure = failure_of(job, parts.store, logs, parts.workspace.blobs) if job.state is JobState.FAILED else None
    return Ending(job, output, _delivered(output, job), logs, failure)


def _delivered(output: Path, job: Job) -> tuple[str, ...]:
    """The names of the files that this job delivered, without those that tell of them."""
    try:
        manifest = json.loads((output / MANIFEST).read_bytes())
    except FileNotFoundError:
        return ()
    if manifest["jobId"] != job.id:
        return ()
    records = {file.path for file in job.records}
    return tuple(entry["name"] for entry in manifest["files"] if entry["name"] not in records)


def _told(wish: Wish, ending: Ending, parts: Parts, notices: list[str]) -> Exit:
    job = ending.job
    if wish.as_json:
        print(json.dumps(_json(ending, parts, notices), indent=2))
    else:
        from fanfold.cli.ending import tell

        tell(ending)
    if job.state is JobState.COMPLETE:
        return Exit.PARTIAL if job.partial else Exit.OK
    return Exit.JOB_FAILED if job.state is JobState.FAILED else Exit.INTERRUPTED


def _json(ending: Ending, parts: Parts, notices: list[str]) -> dict[str, object]:
    """The ended job under its public names, where its output is, and where its logs are unless it is complete."""
    from fanfold.api.translate import job_json

    kept = ending.job.state is not JobState.COMPLETE
    return {
        "job": job_json(ending.job, parts.clock.now()),
        "output": str(ending.output),
        "files": list(ending.files),
        "records": [file.path for file in ending.job.records],
        "notices": notices,
        "logs": str(ending.logs) if kept else None,
    }
