"""Exit codes of `fanfold`, documented in docs/reference/cli.md; they never change."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a shell is told."""

    OK = 0
    JOB_FAILED = 1  # the job ran and failed
    BAD_USAGE = 2  # the command, an input or a param is wrong; nothing was run
    UNAVAILABLE = 3  # a disk, database or server does not answer
    PARTIAL = 4  # complete, with tolerated failures
    INTERRUPTED = 130  # Ctrl-C; --resume continues
