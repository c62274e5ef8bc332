"""Where the state of a run lies and what became of it: one folder below XDG_STATE_HOME for each absolute output folder.

--force starts over whatever is there; --resume continues what was interrupted; without them nothing may be there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from pathlib import Path

from fanfold.cli.wishes import Wish
from fanfold.errors import BadInput, Conflict
from fanfold.jobs.models import Job, JobState
from fanfold.ports.store import JobFilter, Store
from fanfold.settings import state_home

LOCAL_ACCOUNT = "local"
_DATABASE = "fanfold.db"
_LOCK = "fanfold.lock"
_OURS = (".fanfold-output.pending.json", ".fanfold-part")
"""Endings of what a delivery that was interrupted leaves; it is no output."""


def state_of(output: Path) -> Path:
    """The state folder of the run to `output`."""
    return state_home() / "runs" / hashlib.sha256(os.fsencode(output)).hexdigest()[:16]


def check_place(wish: Wish, output: Path, state: Path) -> None:
    """Refuse what can be told from the folders alone; with --force, remove what an earlier run left."""
    if wish.resume and wish.force:
        raise BadInput("--resume continues a run and --force starts it over: give one of them")
    if output.exists() and not output.is_dir():
        raise BadInput(f"the output '{wish.output}' is a file; name a folder")
    known = (state / _DATABASE).exists()
    if known and _in_use(state):
        raise Conflict(f"a run to '{wish.output}' is going on now; wait for its end, or choose another output folder.")
    if wish.resume and not known:
        raise BadInput(f"there is no interrupted run to '{wish.output}'; leave --resume out to start one")
    if wish.force:
        shutil.rmtree(state, ignore_errors=True)
    elif not known:
        refuse_filled(wish.output)


def refuse_filled(output: Path) -> None:
    """Refuse an output folder that holds anything but what an interrupted delivery left."""
    if output.is_dir() and any(not entry.name.endswith(_OURS) for entry in output.iterdir()):
        hint = "Name another one, or replace files with --force."
        raise Conflict(f"the output folder '{output}' is not empty.", hint=hint)


def earlier_job(wish: Wish, store: Store) -> Job | None:
    """The job to go on with, or None to start a new one; Conflict where the person must choose first."""
    found, _ = store.jobs(JobFilter(account_id=LOCAL_ACCOUNT, limit=1))
    job = found[0] if found else None
    if job is None or job.state is JobState.NEW:
        return job
    if job.state is JobState.FAILED:
        said = f"the run to '{wish.output}' failed: {job.error_message}."
        hint = "Mend that, then start over with --force" + (
            "; --resume is for interrupted runs." if wish.resume else "."
        )
        raise Conflict(said, hint=hint)
    if not wish.resume:
        hint = "--resume continues it, --force starts over."
        raise Conflict(f"an earlier run to '{wish.output}' was interrupted.", hint=hint)
    return job


def _in_use(state: Path) -> bool:
    """Whether another process holds the state's database."""
    try:
        descriptor = os.open(state / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
