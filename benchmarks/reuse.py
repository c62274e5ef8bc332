"""What reuse costs and gives: a job of many small chunks without it, one that leaves its results, and the same again.

python benchmarks/reuse.py [--n 10000] [--rounds 1]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from fanfold.jobs.lifecycle import ENDED
from fanfold.jobs.models import BlockTags, DataRef, JobConfig, JobParams, JobState
from fanfold.settings import Settings
from fanfold.wiring import Parts, wire

APP = """import os
with open(os.environ["TASK_DIR"] + "/data.bin") as chunk, open(os.environ["TASK_RESULTS_DIR"] + "/n", "w") as result:
    result.write(str(len(chunk.read().split())))
"""


def inputs(place: Path, count: int) -> None:
    """A file whose lines are all different, and an app that is deterministic."""
    (place / "lines.txt").write_text("".join(f"line {number} {'word ' * 200}\n" for number in range(count)))
    (place / "block" / "app").mkdir(parents=True)
    (place / "block" / "app" / "main.py").write_text(APP)
    manifest = {"name": "words", "version": "0.1", "deterministic": True, "device_requirements": {"min_memory": 0.1}}
    (place / "block" / "manifest.json").write_text(json.dumps(manifest))


def seconds(parts: Parts, place: Path, *, reuse: bool) -> float:
    """From `run` to the end of the last task."""
    draft = {
        "tags": BlockTags(app=str(place / "block"), partitioner="split-lines", assembler="sum-json"),
        "params": JobParams(partitioner={"lines": 1}),
        "data_source": DataRef("local", {"path": str(place / "lines.txt")}),
        "data_destination": DataRef("local", {"path": str(place / f"out-{time.monotonic_ns()}")}),
    }
    job = parts.jobs.create("local", "you", **draft)
    began = time.monotonic()
    parts.jobs.run("local", job.id, "you", JobConfig(reuse=reuse, max_concurrency=None))
    while JobState.TASKS_COMPLETED not in (job := parts.store.job(job.id)).state_timestamps:
        assert job.state not in ENDED, job.error_message
        parts.scheduler.moved.wait(0.05)
    took = time.monotonic() - began
    while parts.store.job(job.id).state not in ENDED:
        parts.scheduler.moved.wait(0.05)
    return took


def a_round(count: int) -> tuple[float, float, float]:
    """Seconds without reuse, with it and nothing known, with it and all known; on a server of their own."""
    with tempfile.TemporaryDirectory(prefix="fanfold-reuse-") as folder:
        place = Path(folder)
        inputs(place, count)
        parts = wire(Settings(state=place / "state"))
        parts.thread.start()
        try:
            without, first, again = (seconds(parts, place, reuse=reuse) for reuse in (False, True, True))
        finally:
            parts.close()
    return without, first, again


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--n", type=int, default=10_000)
    reader.add_argument("--rounds", type=int, default=1)
    wanted = reader.parse_args()
    rounds = [a_round(wanted.n) for _ in range(wanted.rounds)]
    without, first, again = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"{wanted.n} chunks; load {os.getloadavg()[0]:.1f}")
    print(f"reuse off {without:.1f} s; on, nothing known {first:.1f} s ({first / without:.2f}); again {again:.1f} s")


if __name__ == "__main__":
    main()
