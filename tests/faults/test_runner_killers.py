"""R6: a program that kills its runner is tried three times, then its task has failed with the reason; meanwhile nobody
else's attempt is lost or delayed. Without a sandbox, since in one a program reaches no runner."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from fanfold.jobs.models import JobConfig, JobState, OnFailure, TaskState
from fanfold.jobs.task_lifecycle import MAX_LOSSES
from tests.faults.small_job import begun, ended, small_draft, wired
from tests.pace import promised

CHUNKS = 60
PARTITION = f"""for i in $(seq 0 {CHUNKS - 1}); do echo "$i" > "$CHUNKS_DIR/data_$i.bin"; done"""
APP = """[ "$FANFOLD_CHUNK_INDEX" = 0 ] && kill -KILL $(cut -d" " -f4 /proc/$PPID/stat) && sleep 60
sleep 0.04
echo done > "$TASK_RESULTS_DIR/out.txt" """
"""Chunk 0 kills the parent of its parent: what started it is a zygote."""


def test_a_program_that_kills_its_runner_fails_and_harms_no_other(tmp_path: Path) -> None:
    parts = wired(tmp_path, slots=3)
    try:
        config = JobConfig(max_attempts=5, max_failed_tasks=1, on_failure=OnFailure.FINISH)
        job = begun(parts, small_draft(tmp_path, app=APP, partitioner=PARTITION), config)
        parts.thread.start()
        job = ended(parts, job)
        assert job.state is JobState.COMPLETE, job.error_message
        killer, *others = parts.store.tasks(job.id)[0]
    finally:
        parts.close()
    assert (killer.state, killer.attempt, killer.losses) == (TaskState.FAILED, MAX_LOSSES, MAX_LOSSES)
    assert (killer.reason, killer.error_message) == ("runner_lost", "the runner died (killed by signal 9)")
    assert [(task.state, task.attempt, task.losses) for task in others] == [(TaskState.COMPLETED, 1, 0)] * (CHUNKS - 1)
    ends = sorted(task.ended_at for task in others if task.ended_at is not None)
    assert max(later - earlier for earlier, later in pairwise(ends)) < timedelta(seconds=promised(1.0))
