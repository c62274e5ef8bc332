"""A small job of real programs, for the tests that kill and freeze real processes: a partitioner that makes four
chunks, an app whose result names its attempt on every line, so that torn or mixed data shows, and `concat`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from fanfold.effects import Effects
from fanfold.executors.recruits import RUNNER_COMMAND
from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import BlockTags, DataRef, Job, JobConfig
from fanfold.ports.store import JobFilter
from fanfold.settings import Settings
from fanfold.wiring import Parts, wire
from tests.pace import patience

ACCOUNT = "local"
CHUNKS = 4
LINES = 300
PARTITION = f"""for i in $(seq 0 {CHUNKS - 1}); do echo "piece $i" > "$CHUNKS_DIR/data_$i.bin"; done"""
APP = f"""payload="$(cat "$TASK_DIR/data.bin") of chunk $FANFOLD_CHUNK_INDEX by attempt $FANFOLD_ATTEMPT"
yes "$payload" | head -n {LINES} > "$TASK_RESULTS_DIR/out.txt" """
DEADLINE_S = patience(25.0)


def program(place: Path, name: str, script: str) -> str:
    """A shell script as a block of its own; its path is its tag. Made once, since a job's programs do not change."""
    path = place / "programs" / name / "main.sh"
    if not path.exists():
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return str(path)


def small_draft(place: Path, **scripts: str) -> dict[str, Any]:
    """The fields of the job; `scripts` replace those of its roles."""
    source = place / "input.txt"
    if not source.exists():
        source.write_text("input\n")
    tags = BlockTags(
        app=program(place, "app", scripts.get("app", APP)),
        partitioner=program(place, "partitioner", scripts.get("partitioner", PARTITION)),
        assembler=program(place, "assembler", scripts["assembler"]) if "assembler" in scripts else "concat",
    )
    return {
        "tags": tags,
        "data_source": DataRef("local", {"path": str(source)}),
        "data_destination": DataRef("local", {"path": str(place / "output")}),
    }


def settings_for(place: Path, **changes: Any) -> Settings:
    """Settings of a server that keeps its state in `place`. Its programs leave marks for the test, so have no walls."""
    return replace(Settings(state=place / "state", slots=2, kill_grace_s=0.5, isolation="off"), **changes)


def wired(
    place: Path, effects: Effects | None = None, runner: tuple[str, ...] = RUNNER_COMMAND, **changes: Any
) -> Parts:
    """A server of this process, not yet running."""
    return wire(settings_for(place, **changes), effects, runner)


def begun(parts: Parts, draft: dict[str, Any], config: JobConfig | None = None) -> Job:
    """The one job of a state folder: the one an earlier server left, or a new one."""
    found, _ = parts.store.jobs(JobFilter(account_id=ACCOUNT, limit=1))
    job = found[0] if found else parts.jobs.create(ACCOUNT, "you", **draft)
    return job if job.submitted_at is not None else parts.jobs.run(ACCOUNT, job.id, "you", config)


def until(what: str, true: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Look again and again until something is true; fails, saying what was waited for, when it takes too long."""
    give_up = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < give_up, f"{what}: not within {deadline_s:g} s"
        time.sleep(0.01)


def ended(parts: Parts, job: Job) -> Job:
    """The job when it has ended."""

    def over() -> bool:
        if not parts.thread.is_alive():
            raise parts.scheduler.broken or RuntimeError("the scheduler ended by itself")
        return parts.store.job(job.id).state in ENDED

    until("the job ends", over)
    return parts.store.job(job.id)


def wrong_output(output: Path) -> list[str]:
    """What is wrong with the job's output: chunks missing, twice, torn or mixed."""
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    if files != [".fanfold-output.json", "out.txt", "provenance.json"]:
        return [f"the output holds {files}"]
    runs = [(line, len(list(same))) for line, same in groupby((output / "out.txt").read_text().splitlines())]
    if any(count != LINES for _, count in runs):
        return [f"torn results: {runs}"]
    chunks = [line.partition(" by attempt ")[0] for line, _ in runs]
    expected = [f"piece {index} of chunk {index}" for index in range(CHUNKS)]
    return [] if chunks == expected else [f"merged {chunks}"]
