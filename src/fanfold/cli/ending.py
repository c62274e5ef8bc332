"""The last lines of a run: what came out and where, or what failed, where its log is and how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fanfold.cli.progress import clock_time
from fanfold.errors import NotFound
from fanfold.jobs.log_names import piece_name
from fanfold.jobs.models import Job, JobState, Role, Task, TaskKey, TaskState
from fanfold.jobs.progress import PHASES
from fanfold.ports.blobs import Blobs
from fanfold.ports.store import Store
from fanfold.services.log_files import last_lines, log_of

LAST_LINES = 10
NAMES_SHOWN = 5
FAILED_CHUNKS = "failed.jsonl"


@dataclass(frozen=True, slots=True)
class Failure:
    """The log of the attempt that failed a job, and its last lines; no lines where it printed nothing."""

    log: Path
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: its job, the names of the files at their destination, the log to look into."""

    job: Job
    output: Path
    files: tuple[str, ...]
    logs: Path
    failure: Failure | None


def failure_of(job: Job, store: Store, logs: Path, blobs: Blobs) -> Failure | None:
    """Where to look after a failure; None where no program failed."""
    task = _failed_task(job, store)
    if task is None or not task.fence:
        return None
    log = log_of(task.attempt_key, logs, blobs)
    if log is None:
        return None
    return Failure(logs / piece_name(task.attempt_key.name, 0), last_lines(log, LAST_LINES))


def _failed_task(job: Job, store: Store) -> Task | None:
    """The first app task that failed, or the partitioner or assembler that did."""
    found, _ = store.tasks(job.id, (TaskState.FAILED,), limit=1)
    if found:
        return found[0]
    stages = {JobState.PARTITIONING: Role.PARTITIONER, JobState.MERGING: Role.ASSEMBLER}
    role = stages.get(last_state(job))
    if role is None:
        return None
    try:
        return store.task(TaskKey(job.id, role, job.round - 1))
    except NotFound:  # a planned partitioner runs no program
        return None


def last_state(job: Job) -> JobState:
    """The state the job is in, or was in before it failed."""
    passed = [state for state in JobState if state in job.state_timestamps and state is not JobState.FAILED]
    return passed[-1] if passed else JobState.NEW


def size_of(count: float) -> str:
    """Bytes as a person reads them: 312 B, 4.7 KiB, 1.2 GiB."""
    units = ("B", "KiB", "MiB", "GiB")
    power = min(len(units) - 1, max(0, int(count).bit_length() - 1) // 10)
    return f"{count / 1024**power:.1f} {units[power]}" if power else f"{int(count)} B"


def tell(ending: Ending) -> None:
    """Print it on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in _lines(ending):
        console.print(line)


def _lines(ending: Ending) -> Iterator[str]:
    job, tally = ending.job, ending.job.tally
    yield from (f"[yellow]warning:[/] {escape(warning)}" for warning in job.warnings)
    if job.state is JobState.COMPLETE:
        yield from _complete(ending)
    elif job.state is JobState.FAILED:
        yield from _failed(ending)
    else:
        yield f"interrupted with {tally.done:,} of {tally.total:,} chunks done; type the same command with --resume"


def _complete(ending: Ending) -> Iterator[str]:
    job, files = ending.job, ending.files
    took = clock_time(job.duration_s(job.ended_at or job.created_at) or 0.0)
    tolerated = f", {job.tally.failed} failed and tolerated" if job.partial else ""
    chunks = "1 chunk" if job.tally.done == 1 else f"{job.tally.done:,} chunks"
    yield f"[bold green]complete[/] {chunks}{tolerated} in {took}"
    shown = ", ".join(escape(name) for name in files[:NAMES_SHOWN]) + (" ..." if len(files) > NAMES_SHOWN else "")
    yield f"{len(files)} file{'' if len(files) == 1 else 's'} in {escape(_near(ending.output))}: {shown}"
    if job.partial and any(file.path == FAILED_CHUNKS for file in job.records):
        yield f"what failed is in {escape(_near(ending.output / FAILED_CHUNKS))}"


def _near(path: Path) -> str:
    """A path as short as it can be said from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _failed(ending: Ending) -> Iterator[str]:
    job, failure = ending.job, ending.failure
    message = " ".join(job.error_message.split())
    yield f"[bold red]failed[/] while {PHASES[last_state(job)]}: {escape(message)}"
    if failure is not None:
        yield from (f"  [dim]|[/] {escape(line)}" for line in failure.lines)
        yield f"its log is {escape(str(failure.log))}"
    elif ending.logs.is_dir() and any(ending.logs.iterdir()):
        yield f"logs are in {escape(str(ending.logs))}"
    yield "nothing was written to the output; mend the cause, then start over with --force"
