"""A program that writes into its input spoils no stored file, also where it is the server's own user."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanfold.jobs.models import JobConfig, JobState
from fanfold.platforms import bubblewrap
from tests.faults.small_job import CHUNKS, begun, ended, small_draft, wired

SPOILS = """echo SPOILED >> "$TASK_DIR/data.bin"
[ "$FANFOLD_ATTEMPT" = 2 ] || exit 1
cp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/out.txt"
"""
MERGES = """for file in $(find "$RESULTS_DIR" -type f | sort); do echo SPOILED >> "$file" || true; done
[ "$FANFOLD_ATTEMPT" = 2 ] || exit 1
for file in $(find "$RESULTS_DIR" -type f | sort); do cat "$file"; done > "$OUTPUT_DIR/out.txt"
"""


@pytest.mark.parametrize("isolation", ["off"] if bubblewrap.problem() else ["off", "required"])
def test_a_second_attempt_finds_its_input_as_it_was(isolation: str, tmp_path: Path) -> None:
    parts = wired(tmp_path, isolation=isolation)
    try:
        job = begun(parts, small_draft(tmp_path, app=SPOILS, assembler=MERGES), JobConfig(max_attempts=2))
        parts.thread.start()
        job = ended(parts, job)
    finally:
        parts.close()
    assert job.state is JobState.COMPLETE, job.error_message
    lines = (tmp_path / "output" / "out.txt").read_text().splitlines()
    may_write = lines.count("SPOILED") > 0  # root's files are not those of a sandbox's user
    expected = [line for index in range(CHUNKS) for line in (f"piece {index}", *["SPOILED"] * (2 * may_write))]
    assert lines == expected
