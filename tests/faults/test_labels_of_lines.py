"""Each line that a server logs about a job names it in fields, as JSON."""

import io
import json
import logging
import sys
from pathlib import Path

import pytest
import structlog

from fanfold.cli.server_log import LABELS, log_to_stderr
from tests.faults.small_job import ACCOUNT, begun, ended, small_draft, wired


def test_lines_of_a_job_are_found_by_its_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    before, level = logging.root.handlers[:], logging.root.level
    try:
        log_to_stderr(verbose=True)
        parts = wired(tmp_path)
        try:
            job = begun(parts, small_draft(tmp_path))
            parts.thread.start()
            ended(parts, job)
        finally:
            parts.close()
        logging.getLogger("fanfold").warning("no job's", extra={"job": "x", "password": "never"})
    finally:
        logging.root.handlers[:] = before
        logging.root.setLevel(level)
        structlog.reset_defaults()
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    ours = [line for line in lines if line.get("job") == job.id]
    assert {line["account"] for line in ours} == {ACCOUNT}
    assert [line["state"] for line in ours][-1] == "JOB_STATE_COMPLETE"
    assert len({line["state"] for line in ours}) > 3
    assert not [line for line in lines if job.id in line["event"] and line not in ours]
    assert "never" not in said.getvalue()
    assert set(LABELS) >= set(ours[0]) - {"event", "level", "timestamp"}
