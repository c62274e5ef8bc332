"""Two equal jobs on a server that dies: `python -m tests.faults.dying_twins FOLDER N` carries both out, or on, and
kills itself with its runners at its N-th side effect (0: never). What it tells where it survives is one JSON object:
the states of the jobs, what is broken, how many results were taken, how often each piece of work succeeded."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from fanfold.jobs.models import BlockTags, DataRef, Job
from fanfold.pipeline.invariants import check_invariants
from fanfold.ports.store import JobFilter
from fanfold.wiring import Parts
from tests.faults.dying_server import DyingEffects
from tests.faults.small_job import ACCOUNT, ended, wired

PIECES = ("a", "b", "a", "c")
"""What the files of the input hold: one of them is there twice."""

APP = 'import os\nwith open(os.environ["TASK_DIR"] + "/data.bin") as chunk:\n    said = chunk.read()\n'
APP += 'os.mkdir(os.environ["TASK_RESULTS_DIR"] + "/in")\n'
APP += 'with open(os.environ["TASK_RESULTS_DIR"] + "/in/out.txt", "w") as result:\n    result.write(said * 3)\n'


def draft_of(place: Path, twin: str) -> dict[str, Any]:
    """The fields of a job; the two differ in their destinations."""
    block, source = place / "block", place / "input"
    if not source.exists():
        (block / "app").mkdir(parents=True)
        (block / "app" / "main.py").write_text(APP)
        (block / "manifest.json").write_text('{"name": "twin", "version": "0.1", "deterministic": true}')
        source.mkdir()
        for number, piece in enumerate(PIECES):
            (source / f"{number}.txt").write_text(piece)
    return {
        "name": twin,
        "tags": BlockTags(app=str(block), partitioner="passthrough", assembler="passthrough"),
        "data_source": DataRef("local", {"path": str(source)}),
        "data_destination": DataRef("local", {"path": str(place / twin)}),
    }


def begun(parts: Parts, place: Path, twin: str) -> Job:
    """The job of this name, made and run unless an earlier server did."""
    found, _ = parts.store.jobs(JobFilter(account_id=ACCOUNT, name_part=twin))
    job = found[0] if found else parts.jobs.create(ACCOUNT, "you", **draft_of(place, twin))
    return job if job.submitted_at is not None else parts.jobs.run(ACCOUNT, job.id, "you")


def told_of(parts: Parts, jobs: list[Job]) -> dict[str, Any]:
    succeeded: Counter[str] = Counter()
    taken = []
    for job in jobs:
        for task in parts.store.tasks(job.id)[0]:
            outcomes = [record.outcome for record in parts.store.attempts(task.key)]
            succeeded[PIECES[task.key.index]] += outcomes.count("Succeeded")
            taken.append(task.reused_from != "")
    broken = check_invariants(parts.store, parts.workspace)
    states = [job.state.value for job in jobs]
    return {"states": states, "broken": broken, "succeeded": succeeded, "taken": sum(taken)}


def main(place: Path, dies_at: int) -> None:
    parts = wired(place, DyingEffects(dies_at, whole_tree=True))
    try:
        jobs = [begun(parts, place, twin) for twin in ("left", "right")]
        parts.thread.start()
        jobs = [ended(parts, job) for job in jobs]
        told = told_of(parts, jobs)
    finally:
        parts.close()
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
