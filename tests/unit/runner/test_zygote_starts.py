"""How a zygote starts a program that is not a fork of it: it spawns it or, where it cannot, forks and executes it."""

from __future__ import annotations

import errno
import os
import resource
import socket
import subprocess
import sys
from typing import Any

import pytest

from fanfold.runner import becoming, zygote

WITHOUT = """
import os, runpy, sys

def missing(*arguments, **options):
    raise NotImplementedError

setattr(os, sys.argv[1], missing)
del sys.argv[:2]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
SETUP = {"uid": 0, "own_pids": False, "entry": "", "modules": [], "reentrant": False, "memory": 0, "shared": []}
CORE, PROCESSES = (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NPROC, 100_000)
SAYS = "ps -o sid= -p $$ | grep -qw $$ && echo $(ulimit -c) $NAME in $(pwd)"


def started(missing: str, argv: list[str], *limits: tuple[int, int]) -> tuple[list[str], str]:
    """What a zygote answers to an order, and what was printed, where a function of `os` is missing."""
    ours, theirs = socket.socketpair()
    order: dict[str, Any] = {"do": "run", "argv": argv, "cwd": "/usr", "entry": "", "limits": list(limits)}
    command = [sys.executable, "-I", "-c", WITHOUT, missing, zygote.__file__, str(theirs.fileno())]
    with (
        ours,
        theirs,
        subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()], text=True) as process,
    ):
        theirs.close()
        becoming.write_order(ours.fileno(), SETUP)
        becoming.write_order(ours.fileno(), {**order, "env": {"PATH": os.defpath, "NAME": "program"}})
        answer = ours.recv(4096).decode().split()
        ours.shutdown(socket.SHUT_RDWR)
        assert process.stdout is not None
        return answer, process.stdout.read()


@pytest.mark.parametrize(
    ("missing", "limits"), [("fork", [CORE]), ("posix_spawnp", [CORE]), ("posix_spawnp", [CORE, PROCESSES])]
)
def test_a_program_starts_in_its_session_and_folder_with_its_limits(
    missing: str, limits: list[tuple[int, int]]
) -> None:
    answer, printed = started(missing, ["sh", "-c", SAYS], *limits)
    assert (answer[:2], answer[4:], printed) == (["ended", "0"], ["0", "clean"], "0 program in /usr\n")


@pytest.mark.parametrize("missing", ["fork", "posix_spawnp"])
def test_one_that_is_not_there_is_told_by_its_error(missing: str) -> None:
    answer, _ = started(missing, ["no-such-program"], CORE)
    assert (answer[:2], answer[4:]) == (["ended", "127"], [str(int(errno.ENOENT)), "clean"])


def test_one_that_cannot_be_written_down_costs_no_zygote() -> None:
    answer, _ = started("fork", ["sh", "-c", "a\0b"], CORE)
    assert (answer[:2], answer[4:]) == (["ended", "127"], [str(int(errno.EINVAL)), "clean"])
