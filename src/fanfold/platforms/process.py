"""The process platform: a plain program of this machine, in a session of its own. No isolation beyond that."""

from __future__ import annotations

import os
import signal
import subprocess

from fanfold.effects import Effects
from fanfold.ports.platform import Ended, Platform, Program, Running
from fanfold.runner.process_tree import end_children


class RunningProcess:
    """A started process and all that it leaves behind."""

    def __init__(self, process: subprocess.Popen[bytes], output: int) -> None:
        self.pid = process.pid
        self._process = process
        self._output = output
        self._ended = os.pidfd_open(process.pid)

    def output(self) -> int:
        """The reading end of the pipe that takes standard output and error."""
        return self._output

    def ended_fd(self) -> int:
        """The process's pidfd."""
        return self._ended

    def reap(self) -> Ended:
        """Collect the exit status and what the process and its waited-for children used."""
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return Ended(self._process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def terminate(self) -> None:
        """TERM to the program's process group."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """KILL to the group, then to every process that came to this runner as an orphan, until none is left."""
        self._signal(signal.SIGKILL)
        spare = frozenset() if self._process.returncode is not None else frozenset({self.pid})
        end_children(spare)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def close(self) -> None:
        """Let go of the descriptors."""
        os.close(self._output)
        os.close(self._ended)


class ProcessPlatform:
    """Starts plain processes."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects

    def start(self, program: Program) -> Running:
        """Start; raises OSError where the program cannot be started."""
        reader, writer = os.pipe()
        try:
            process = self._effects.spawn(program.argv, program.env, program.cwd, writer)
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(reader, False)
        return RunningProcess(process, reader)


_fits: type[Platform] = ProcessPlatform
