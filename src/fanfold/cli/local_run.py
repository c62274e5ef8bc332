"""A run on this machine from wish to exit code: find its state, wire the parts, watch, tell how it ended.

The state of a run lies under XDG_STATE_HOME, keyed by its absolute output folder, so that --resume finds it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fanfold.api.translate import job_json
from fanfold.cli.exits import Exit
from fanfold.cli.progress import Display, display_for
from fanfold.cli.wishes import Wish, draft_of
from fanfold.datasources.local import MANIFEST, PART, PENDING
from fanfold.errors import BadInput, Conflict
from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import Job, JobState
from fanfold.jobs.progress import progress_of
from fanfold.ports.store import JobFilter
from fanfold.settings import Settings, state_home
from fanfold.wiring import DATABASE, Parts, wire

LOCAL_ACCOUNT = "local"
WATCH_EVERY_S = 0.1


def carry_out(wish: Wish) -> Exit:
    """Run, or continue, and say how it ended."""
    output = wish.output.absolute()
    state = state_home() / "runs" / hashlib.sha256(str(output).encode()).hexdigest()[:16]
    _check_output(wish, output, state)
    if wish.force:
        shutil.rmtree(state, ignore_errors=True)
    settings = Settings.load(
        environment=os.environ,
        state=state,
        slots=wish.slots,
        python=wish.python,
        oversize="clamp",
    )
    parts = wire(settings)
    with _interrupts() as interrupted, display_for(wish) as display:
        try:
            job = _begun(wish, parts)
            parts.thread.start()
            job = _watched(parts, job, display, interrupted)
        finally:
            parts.close()
        return _told(wish, parts, job, output, display)


def _check_output(wish: Wish, output: Path, state: Path) -> None:
    """Refuse an output folder that is not empty, unless the run is to be continued or started over."""
    if wish.resume and wish.force:
        raise BadInput("--resume continues a run and --force starts it over: give one of them")
    if output.exists() and not output.is_dir():
        raise BadInput(f"the output '{wish.output}' is a file; name a folder")
    interrupted = (state / DATABASE).exists()
    if wish.resume and not interrupted:
        raise BadInput(f"there is no interrupted run to '{wish.output}'; leave --resume out to start one")
    if wish.resume or wish.force:
        return
    if interrupted:
        raise Conflict(
            f"an earlier run to '{wish.output}' was interrupted.", hint="--resume continues it, --force starts over."
        )
    if output.is_dir() and any(not _ours(entry.name) for entry in output.iterdir()):
        raise Conflict(
            f"the output folder '{wish.output}' is not empty.", hint="Name another one, or replace files with --force."
        )


def _ours(name: str) -> bool:
    return name == PENDING or name.endswith(PART)


def _begun(wish: Wish, parts: Parts) -> Job:
    """The job of this run: the one that was interrupted, or a new one that passed validation."""
    found, _ = parts.store.jobs(JobFilter(account_id=LOCAL_ACCOUNT, limit=1))
    if found and found[0].state is not JobState.NEW:
        return found[0]
    try:
        job = found[0] if found else parts.jobs.create(LOCAL_ACCOUNT, "you", **draft_of(wish))
        return parts.jobs.run(LOCAL_ACCOUNT, job.id, "you")
    except BaseException:
        _discard(parts)
        raise


def _discard(parts: Parts) -> None:
    """Nothing was run: leave no state behind that would look like an interrupted run."""
    shutil.rmtree(parts.settings.state, ignore_errors=True)


def _watched(parts: Parts, job: Job, display: Display, interrupted: list[int]) -> Job:
    """Show progress until the job has ended or somebody interrupts."""
    while True:
        job = parts.store.job(job.id)
        display.show(job, progress_of(job, parts.clock.now()))
        if job.state in ENDED or interrupted:
            return job
        if not parts.thread.is_alive():
            raise parts.scheduler.broken or RuntimeError("the scheduler ended by itself")
        parts.thread.join(WATCH_EVERY_S)


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


def _told(wish: Wish, parts: Parts, job: Job, output: Path, display: Display) -> Exit:
    """Print how it ended; the state of a run that is complete is not needed any more."""
    files = _delivered(output)
    if job.state is JobState.COMPLETE:
        shutil.rmtree(parts.settings.state, ignore_errors=True)
    if wish.as_json:
        print(json.dumps({"job": job_json(job, parts.clock.now()), "output": str(output), "files": files}, indent=2))
    else:
        display.tell_end(job, output, files, parts.settings.state)
    if job.state is JobState.COMPLETE:
        return Exit.PARTIAL if job.partial else Exit.OK
    return Exit.JOB_FAILED if job.state is JobState.FAILED else Exit.INTERRUPTED


def _delivered(output: Path) -> list[str]:
    try:
        return [entry["name"] for entry in json.loads((output / MANIFEST).read_bytes())["files"]]
    except FileNotFoundError:
        return []
