"""Exit codes of `fanfold`, documented in docs/reference/cli.md; they never change."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum


class Exit(IntEnum):
    """What a shell is told."""

    OK = 0
    JOB_FAILED = 1
    BAD_USAGE = 2
    UNAVAILABLE = 3
    PARTIAL = 4
    INTERRUPTED = 130


MEANINGS: Mapping[Exit, str] = {
    Exit.OK: "it is done",
    Exit.JOB_FAILED: "the job, or the one chunk, ran and failed",
    Exit.BAD_USAGE: "the command, an input or a param is wrong; nothing was run",
    Exit.UNAVAILABLE: "a disk, a database or a server does not answer",
    Exit.PARTIAL: "complete, but some chunks failed, no more than was tolerated",
    Exit.INTERRUPTED: "Ctrl-C or TERM; `--resume` goes on",
}
