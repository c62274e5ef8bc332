"""Why a program failed: the limit that ended it where one did, else its signal or exit status.

Of memory and processes the kernel counts what it refused (`Ended.reason`). Of other limits a program is told by an
error; it hit one where that error is the last thing it said.
"""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Mapping

from fanfold.jobs import contract
from fanfold.jobs.failures import Cause
from fanfold.jobs.task_lifecycle import Reason
from fanfold.ports.platform import MIB, Ended, Rules
from fanfold.runner.disk_use import size_text

_SAID: Mapping[Reason, re.Pattern[str]] = {
    Reason.TOO_MANY_OPEN_FILES: re.compile(r"\[Errno 24\]|Too many open files|EMFILE"),
    Reason.FILE_TOO_LARGE: re.compile(r"\[Errno 27\]|File too large|File size limit exceeded|EFBIG"),
    Reason.TOO_MANY_PROCESSES: re.compile(r"can't start new thread|[Ff]ork: .*Resource temporarily unavailable"),
    Reason.OUT_OF_MEMORY: re.compile(r"^[\w.]*MemoryError\b|bad_alloc|OutOfMemoryError|Cannot allocate memory"),
}


def why_failed(ended: Ended, cause: Cause, rules: Rules, memory_bytes: int) -> tuple[Reason, str] | None:
    """The reason and a sentence; None where it ended well."""
    if ended.status == 0:
        return None
    if ended.reason is not None:
        return ended.reason, ended.told
    limit = _limit_of(ended, cause.exception)
    if limit is not None:
        return limit, _told(limit, rules, memory_bytes)
    if ended.status < 0:
        return Reason.KILLED, f"killed by signal {_signal_name(-ended.status)}"
    return Reason.EXIT_CODE, contract.PROCESS_EXIT_REASONS.get(ended.status, f"exit code {ended.status}")


def _limit_of(ended: Ended, said: str) -> Reason | None:
    if ended.status == -signal.SIGXFSZ:
        return Reason.FILE_TOO_LARGE
    return next((reason for reason, pattern in _SAID.items() if pattern.search(said)), None)


def _told(limit: Reason, rules: Rules, memory_bytes: int) -> str:
    sentences = {
        Reason.TOO_MANY_OPEN_FILES: f"too many open files (limit {rules.max_open_files})",
        Reason.FILE_TOO_LARGE: f"a file grew too large (limit {size_text(rules.largest_file_bytes)})",
        Reason.TOO_MANY_PROCESSES: f"too many processes (limit {rules.max_processes})",
        Reason.OUT_OF_MEMORY: f"out of memory (limit {_narrowest(memory_bytes) / MIB:g} MiB)",
    }
    return sentences[limit]


def _narrowest(memory_bytes: int) -> int:
    """What a program may use, where whoever started the runner allowed it less."""
    softs = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return min(memory_bytes, *(memory_bytes if soft == resource.RLIM_INFINITY else soft for soft in softs))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
