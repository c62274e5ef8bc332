"""What `fanfold doctor` looks at, a function each: it tries the real thing, says what it found and how to mend it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from fanfold import __version__
from fanfold.cli.ending import size_of
from fanfold.effects import Effects
from fanfold.errors import Conflict, FanfoldError
from fanfold.platforms import bubblewrap, cgroups, runtime, seccomp
from fanfold.settings import Settings, state_home

OLDEST_PYTHON = (3, 11)
LITTLE_SPACE_BYTES = 1024**3
TRIED_FOR_S = 10.0


class State(StrEnum):
    """How a thing stands: here, not here but not needed by all, or needed and not right."""

    OK = "ok"
    MISSING = "missing"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: how it stands, what was found, what to do ("" where nothing is to be done)."""

    what: str
    state: State
    found: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def diagnosed(state: Path | None) -> list[Finding]:
    """Everything, the needed first; `state`: a folder to be checked whole."""
    looks: list[Callable[[], Finding]] = [
        _fanfold,
        _python,
        _database,
        _storage,
        _job_storage,
        _sandbox,
        _limits,
        _containers,
        _uv,
    ]
    looks += [
        lambda: _library("ray", "clusters", "ray"),
        lambda: _library("psycopg", "PostgreSQL", "postgres"),
        _server,
    ]
    return [look() for look in looks] + (list(_state_folder(state)) if state else [])


def _fanfold() -> Finding:
    return Finding("fanfold", State.OK, f"{__version__} in {Path(__file__).parents[1]}")


def _python() -> Finding:
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info < OLDEST_PYTHON or sys.platform != "linux":
        return Finding("python", State.BROKEN, f"{found} on {sys.platform}", "Use Linux and Python 3.11 or newer.")
    return Finding("python", State.OK, found)


def _database() -> Finding:
    """Whether SQLite here takes Fanfold's tables."""
    from fanfold.stores.sqlite import SqliteStore, sqlite_version

    found = f"SQLite {sqlite_version()}"
    try:
        SqliteStore(None, Effects()).close()
    except FanfoldError as err:
        return Finding("database", State.BROKEN, f"{found}: {err}", "Use a Python that brings SQLite 3.35 or newer.")
    return Finding("database", State.OK, found)


def _storage() -> Finding:
    """Whether the usual state folder can be written to disk, and how much room there is."""
    place, effects = state_home(), Effects()
    try:
        effects.make_folder(place)
        probe = place / f"doctor-{os.getpid()}"
        effects.write_file(probe, b"fanfold")
        effects.remove_file(probe)
        free_bytes = shutil.disk_usage(place).free
    except (OSError, FanfoldError) as err:
        mend = "Give it to this user, or set XDG_STATE_HOME (or --state) to another folder."
        return Finding("storage", State.BROKEN, f"{place}: {err}", mend)
    found = f"{place}, {size_of(free_bytes)} free"
    if free_bytes < LITTLE_SPACE_BYTES:
        return Finding("storage", State.BROKEN, found, "Free some space, or set XDG_STATE_HOME to another disk.")
    return Finding("storage", State.OK, found)


def _job_storage() -> Finding:
    """Whether the object store that the settings name takes, finds and gives back a small object."""
    from fanfold.places import storage_of
    from fanfold.runner.storage import storage_at

    what = "job storage"
    try:
        settings = Settings.load(None, os.environ)
        if not settings.storage:
            return Finding(what, State.OK, "files in the state folder")
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            storage_at(storage_of(settings, TRIED_FOR_S), Effects(), Path(folder)).check()
    except (OSError, FanfoldError) as err:
        return Finding(what, State.BROKEN, str(err), "Mend FANFOLD_STORAGE and what belongs to it, or the store.")
    where = f"{settings.storage} at {settings.storage_endpoint or settings.storage_region}"
    return Finding(what, State.OK, f"{where}, written and read in {1000 * (time.monotonic() - began):.0f} ms")


def _sandbox() -> Finding:
    """Whether bubblewrap is here and this kernel lets it make namespaces."""
    what, program = "sandbox", shutil.which("bwrap")
    if program is None:
        mend = "Install bubblewrap (on Debian: apt-get install bubblewrap)."
        return Finding(what, State.MISSING, "no bwrap on PATH; programs run with your rights", mend)
    said = bubblewrap.problem()
    if said:
        mend = "Allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)."
        return Finding(what, State.MISSING, said, mend)
    if not seccomp.program():
        mend = "Install libseccomp (on Debian: apt-get install libseccomp2)."
        return Finding(what, State.MISSING, f"{program}, without a filter of system calls", mend)
    return Finding(what, State.OK, f"{program}; network = on shares this machine's network, loopback included")


def _limits() -> Finding:
    """Which limits hold for a program's whole process tree."""
    what, found = "limits", cgroups.tree()
    held = ", ".join(found.parents)
    if len(found.parents) < len(cgroups.CONTROLLERS):
        missing = ", ".join(name for name in cgroups.CONTROLLERS if name not in found.parents)
        mend = "Let this user write to its control group (systemd: Delegate=yes)."
        return Finding(what, State.MISSING, f"held per tree: {held or 'none'}; only per process: {missing}", mend)
    return Finding(what, State.OK, f"{held} per process tree (cgroup v{found.version})")


def _containers() -> Finding:
    path, problem = runtime.found(runtime.AUTO)
    if problem:
        mend = "Install podman or docker, or start it, for blocks with an image of their own."
        return Finding("containers", State.MISSING, problem, mend)
    held = "" if cgroups.tree().version or os.getuid() == 0 else "; limits are the runtime's own"
    return Finding("containers", State.OK, f"{path}{held}")


def _uv() -> Finding:
    program = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if program is None:
        mend = "Install uv, for blocks that name requirements (pip install uv)."
        return Finding("environments", State.MISSING, "no uv on PATH", mend)
    return Finding("environments", State.OK, program)


def _library(module: str, what: str, extra: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return Finding(what, State.MISSING, f"no library '{module}'", f"pip install 'fanfold[{extra}]'")
    return Finding(what, State.OK, f"library '{module}'")


def _server() -> Finding:
    """Whether the server that commands would speak to answers, and knows the key."""
    from fanfold.client import Client, NotSignedIn

    try:
        with Client(retry_s=0.0, timeout_s=TRIED_FOR_S) as client:
            user = client.user()
            return Finding("server", State.OK, f"{client.url} as {user.name} ({user.role})")
    except NotSignedIn:
        return Finding(
            "server", State.MISSING, "none is known", "fanfold up, then fanfold login (not needed to run here)"
        )
    except FanfoldError as err:
        return Finding("server", State.BROKEN, str(err), "Start it, or sign in again: fanfold login URL")


def _state_folder(state: Path) -> Iterator[Finding]:
    """Every invariant of a server's or run's database and storage."""
    from fanfold.pipeline.invariants import check_invariants
    from fanfold.pipeline.workspace import Workspace
    from fanfold.places import storage_of
    from fanfold.runner.storage import storage_at
    from fanfold.stores.sqlite import SqliteStore
    from fanfold.wiring import DATABASE

    what = "state"
    if not (state / DATABASE).is_file():
        yield Finding(what, State.BROKEN, f"{state} has no {DATABASE}", "Name the folder that `fanfold up` was given.")
        return
    effects = Effects()
    try:
        store = SqliteStore(state / DATABASE, effects)
    except Conflict:
        yield Finding(what, State.MISSING, f"{state} is in use, so it was not checked", "Stop its server first.")
        return
    try:
        blobs = storage_at(storage_of(Settings.load(None, os.environ)), effects, state)
        broken = check_invariants(store, Workspace(state, effects, blobs))
    finally:
        store.close()
    for sentence in broken:
        yield Finding(what, State.BROKEN, sentence, "Please report this: it is a defect of Fanfold.")
    if not broken:
        yield Finding(what, State.OK, f"{state}: every invariant holds")
