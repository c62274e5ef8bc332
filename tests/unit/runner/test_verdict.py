"""Why a program failed: the limit it hit, where it hit one."""

import pytest

from fanfold.jobs.failures import Cause
from fanfold.jobs.task_lifecycle import Reason
from fanfold.ports.platform import MIB, Ended, Rules
from fanfold.runner.verdict import why_failed

RULES = Rules(max_processes=40, max_open_files=64, max_file_bytes=3 * MIB, max_disk_bytes=2 * MIB)
FILES = "too many open files (limit 64)"
PROCESSES = "too many processes (limit 40)"
MEMORY = "out of memory (limit 64 MiB)"
LARGE = "a file grew too large (limit 2 MiB)"


@pytest.mark.parametrize(
    ("status", "said", "reason", "told"),
    [
        (1, "ValueError: no", Reason.EXIT_CODE, "exit code 1"),
        (1, "", Reason.EXIT_CODE, "exit code 1"),
        (126, "", Reason.EXIT_CODE, "the entry point is not executable"),
        (-9, "", Reason.KILLED, "killed by signal SIGKILL"),
        (-40, "", Reason.KILLED, "killed by signal 40"),
        (-25, "", Reason.FILE_TOO_LARGE, LARGE),
        (1, "OSError: [Errno 27] File too large", Reason.FILE_TOO_LARGE, LARGE),
        (1, "OSError: [Errno 24] Too many open files: 'x'", Reason.TOO_MANY_OPEN_FILES, FILES),
        (2, "sh: 3: cannot open x: Too many open files", Reason.TOO_MANY_OPEN_FILES, FILES),
        (1, "RuntimeError: can't start new thread", Reason.TOO_MANY_PROCESSES, PROCESSES),
        (2, "sh: fork: retry: Resource temporarily unavailable", Reason.TOO_MANY_PROCESSES, PROCESSES),
        (1, "MemoryError", Reason.OUT_OF_MEMORY, MEMORY),
        (1, "numpy._core._exceptions._ArrayMemoryError: Unable to allocate", Reason.OUT_OF_MEMORY, MEMORY),
        (-6, "what():  std::bad_alloc", Reason.OUT_OF_MEMORY, MEMORY),
        (1, "ValueError: MemoryError", Reason.EXIT_CODE, "exit code 1"),
    ],
)
def test_the_last_thing_a_program_says_names_the_limit(status: int, said: str, reason: Reason, told: str) -> None:
    assert why_failed(Ended(status, 0.0, 0), Cause(said), RULES, 64 * MIB) == (reason, told)


def test_what_the_kernel_counted_comes_first() -> None:
    ended = Ended(-9, 0.0, 0, reason=Reason.OUT_OF_MEMORY, told="out of memory (limit 7 MiB)")
    cause = Cause("OSError: [Errno 24] Too many open files")
    assert why_failed(ended, cause, RULES, 7 * MIB) == (Reason.OUT_OF_MEMORY, "out of memory (limit 7 MiB)")


def test_a_program_that_ended_well_hit_nothing() -> None:
    assert why_failed(Ended(0, 0.0, 0), Cause("MemoryError"), RULES, MIB) is None
