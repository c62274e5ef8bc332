"""R16: acknowledged means on disk. A run is traced, and the order of its system calls is checked by a script."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fanfold.datasources.listings import mark_of
from fanfold.effects import Effects
from fanfold.jobs.models import Role, Task, TaskKey
from fanfold.ports.store import JobFilter
from fanfold.stores.sqlite import SqliteStore
from tests.faults.small_job import CHUNKS, wrong_output
from tests.faults.traced import CALLS, OutOfOrder, Trace, calls_of

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.needs("strace"), pytest.mark.timeout(60)]


def traced(place: Path, optional: Callable[[str, str], None]) -> Trace:
    """What the system calls of a whole run were; absent where this machine lets nobody trace."""
    log = place / "trace.log"
    tracer = ["strace", "-f", "-y", "-s", "9000", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(log)]
    command = [*tracer, sys.executable, "-m", "tests.faults.dying_server", str(place), "0", "SERVER"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "Operation not permitted" in ran.stderr:
        optional("strace", ran.stderr.strip())
    assert ran.returncode == 0, ran.stderr
    return Trace(line for line in log.read_text().splitlines() if not line.rstrip().endswith("+++"))


def tasks_of(place: Path) -> list[Task]:
    """The tasks of the one job, as its database tells afterwards: chunks first, then the assembler."""
    store = SqliteStore(place / "state" / "fanfold.db", Effects())
    [job], _ = store.jobs(JobFilter(limit=1))
    keys = [*(TaskKey(job.id, Role.APP, index) for index in range(CHUNKS)), TaskKey(job.id, Role.ASSEMBLER, 0)]
    found = [store.task(key) for key in keys]
    store.close()
    return found


def check_order(trace: Trace, place: Path) -> None:
    """Raises OutOfOrder where the run acted on something that was not yet on disk."""
    *apps, assembler = tasks_of(place)
    job = f"{place}/state/jobs/{assembler.key.job_id}"
    for task in apps:
        assert task.result is not None
        assert task.result.files is not None
        [file] = task.result.files
        committed = trace.check_result(job, task.attempt_key.name, [file.path], file.sha256)
        trace.first(committed, "use of the results", "rename", f'"{job}/merge/inputs.jsonl"')
    assert assembler.result is not None
    assert assembler.result.files is not None
    [output] = assembler.result.files
    committed = trace.check_result(job, assembler.attempt_key.name, [output.path], output.sha256)
    part, place_of = (
        f"{place}/output/.{output.path}.{mark_of(assembler.key.job_id)}.fanfold-part",
        f'"{place}/output/{output.path}"',
    )
    synced = trace.first(committed, "fsync of the output", "fsync", f"{part}>")
    named = trace.first(synced, "naming of the output", "rename", place_of)
    listed = trace.first(named, "fsync of the destination", "fsync", f"{place}/output>")
    manifest = trace.first(listed, "manifest of the output", "rename", f'"{place}/output/.fanfold-output.json"')
    on_disk = trace.first(manifest, "fsync of the manifest's name", "fsync", f"{place}/output>")
    ended = trace.first(on_disk, "commit of the job's end", "pwrite64", "fanfold.db-wal>", "JOB_STATE_COMPLETE")
    synced = trace.first(ended, "fsync of the job's end", "fdatasync fsync", "fanfold.db-wal>")
    trace.first(synced, "answer", "write", "JOB_STATE_COMPLETE", "1<")


def test_what_is_acknowledged_is_on_disk(tmp_path: Path, optional: Callable[[str, str], None]) -> None:
    trace = traced(tmp_path, optional)
    assert wrong_output(tmp_path / "output") == []
    check_order(trace, tmp_path)


def test_the_script_sees_a_missing_fsync_and_a_wrong_order(
    tmp_path: Path, optional: Callable[[str, str], None]
) -> None:
    trace = traced(tmp_path, optional)
    calls = trace.calls
    for hidden in (".app-2.1/out>", ".app-0.1/out/out.txt>", "/results>", "fanfold.db-wal>", "output>"):
        trace.calls = [call for call in calls if "sync" not in call.name or hidden not in call.arguments]
        with pytest.raises(OutOfOrder):
            check_order(trace, tmp_path)
    trace.calls = calls
    reported = next(
        call for call in calls if call.name == "sendto" and "ended" in call.arguments and '"app' in call.arguments
    )
    reported.began = reported.ended = 0
    with pytest.raises(OutOfOrder):
        check_order(trace, tmp_path)


def test_calls_that_another_process_interrupts_are_joined() -> None:
    log = ["7 fsync(3</a> <unfinished ...>", '8 write(1</b>, "x", 1) = 1', "7 <... fsync resumed>) = 0"]
    assert [(call.name, call.began, call.ended) for call in calls_of(log)] == [("fsync", 0, 2), ("write", 1, 1)]
