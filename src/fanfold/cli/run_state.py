"""Where the state of a run lies and what became of it: one folder below XDG_STATE_HOME for each absolute output folder.

--force starts over whatever is there; --resume continues what was interrupted; without them nothing may be there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from fanfold.cli.wishes import Wish
from fanfold.errors import BadInput, Conflict, Unavailable
from fanfold.jobs.models import Job, JobState
from fanfold.ports.store import JobFilter, Store
from fanfold.settings import ENVIRONMENT_PREFIX, state_home

LOCAL_ACCOUNT = "local"
MANIFEST = ".fanfold-output.json"
_DATABASE = "fanfold.db"
_REMOVERS = 8
_CROWD = 100
_OURS = (".pending.json", ".fanfold-part")
"""Endings of what a delivery that was interrupted leaves; it is no output."""


def state_of(output: Path) -> Path:
    """The state folder of the run to `output`."""
    return state_home() / "runs" / hashlib.sha256(os.fsencode(output)).hexdigest()[:16]


def environments_folder() -> str | None:
    """Where the packages that blocks require are kept for all runs; None where a setting says it."""
    named = f"{ENVIRONMENT_PREFIX}ENVIRONMENTS"
    return None if os.environ.get(named) else str(state_home() / "environments")


@contextmanager
def held(wish: Wish, state: Path) -> Iterator[None]:
    """Hold the run's state against other processes until the block is left; Conflict where one has it."""
    descriptor = _lock_file(state)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as err:
        said = f"a run to '{wish.output}' is going on now"
        raise Conflict(f"{said}; wait for its end, or choose another output folder") from err
    finally:
        os.close(descriptor)


def _lock_file(state: Path) -> int:
    lock = state.with_suffix(".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as err:
        hint = "Free some space, or set XDG_STATE_HOME to another folder."
        raise Unavailable(f"the state folder '{lock.parent}' cannot be used: {err.strerror}.", hint=hint) from err


def check_place(wish: Wish, output: Path, state: Path) -> None:
    """Refuse what can be told from the folders alone, and remove what no run goes on with."""
    if wish.resume and wish.force:
        raise BadInput("--resume continues a run and --force starts it over: give one of them")
    if output.exists() and not output.is_dir():
        raise BadInput(f"the output '{wish.output}' is a file; name a folder")
    known = (state / _DATABASE).exists()
    if not known and not wish.force:
        refuse_filled(wish.output)
    if not known or wish.force:
        discard(state)


def discard(state: Path) -> None:
    """Remove a run's state, so that it is there whole or not at all."""
    gone = state.with_suffix(".gone")
    _remove(gone)
    with suppress(FileNotFoundError):
        state.rename(gone)
    _remove(gone)


def _remove(folder: Path) -> None:
    """Remove what may hold very many small folders. That waits for the disk most of all, so several wait at once; since
    only one can take entries away from a folder, these are shared out first."""
    crowd = [path for path in folder.glob("jobs/*/results/*") if path.is_dir()]
    if len(crowd) > _CROWD:
        shares = [folder / f"share-{number}" for number in range(_REMOVERS)]
        with suppress(OSError):  # what could not be shared out goes one by one
            for share in shares:
                share.mkdir(exist_ok=True)
            for number, path in enumerate(crowd):
                path.rename(shares[number % _REMOVERS] / str(number))
        with ThreadPoolExecutor(_REMOVERS) as removers:
            list(removers.map(partial(shutil.rmtree, ignore_errors=True), shares))
    shutil.rmtree(folder, ignore_errors=True)


def is_done(wish: Wish, output: Path, state: Path) -> bool:
    """Whether --resume finds nothing to do: the run was complete before it was interrupted."""
    return wish.resume and not (state / _DATABASE).exists() and (output / MANIFEST).is_file()


def refuse_filled(output: Path) -> None:
    """Refuse an output folder that holds anything but what an interrupted delivery left."""
    if output.is_dir() and any(not _is_ours(entry.name) for entry in output.iterdir()):
        hint = "Name another one, or replace files with --force."
        raise Conflict(f"the output folder '{output}' is not empty.", hint=hint)


def _is_ours(name: str) -> bool:
    return name.startswith(".") and name.endswith(_OURS)


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
