"""Starts programs of one folder the way a runner does, and shows all that comes of it."""

import os
import re
import select
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.platforms.process import ProcessPlatform
from fanfold.ports.platform import Ended, Program, Rules, Walls
from tests.pace import patience

ENDS_WITHIN_S = patience(25.0)
ADDRESS = re.compile(r"0x[0-9a-f]+")


@dataclass(frozen=True)
class Seen:
    """What a run shows."""

    status: int
    output: str
    files: dict[str, str]


class Starter:
    """Starts programs of one folder, in the same task folder each time."""

    def __init__(self, place: Path, rules: Rules, walls: Walls | None = None, python: str = sys.executable) -> None:
        self.place = place
        self.python = python
        self.rules = rules
        self.walls = walls or Walls(owner="somebody")
        self.platform = ProcessPlatform(Effects(), SteadyClock(), rules)
        self.last: Ended | None = None
        self.last_program: Program | None = None

    def run(self, text: str) -> Seen:
        ended, output = self.ended(self.prepared(text))
        results = self.place / "scratch" / "task" / "out"
        files = {str(path.relative_to(results)): path.read_text() for path in results.rglob("*") if path.is_file()}
        return Seen(ended.status, ADDRESS.sub("0x", output), files)

    def prepared(self, text: str) -> Program:
        """The program ready to start, in an empty task folder."""
        package, task = self.place / "package", self.place / "scratch" / "task"
        results = task / "out"
        shutil.rmtree(task, ignore_errors=True)
        for folder in (task / "in", results, task / "tmp"):
            folder.mkdir(parents=True)
        (package / "main.py").write_text(text.replace("RESULTS", str(results)))
        self.last_program = self._program(package / "main.py", task)
        return self.last_program

    def wait_for(self, descriptor: int) -> None:
        readable(descriptor)

    def _program(self, entry: Path, task: Path) -> Program:
        walls = replace(
            self.walls,
            reads=(str(entry.parent),),
            ground=str(task.parent),
            interpreter=(self.python,),
            entry=str(entry),
        )
        environment = {
            "PATH": os.defpath,
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(task / "tmp"),
            "HOME": str(task / "tmp"),
            "TASK_DIR": str(task / "in"),
        }
        own = tuple(str(task / name) for name in ("in", "out", "tmp"))
        return Program([self.python, str(entry)], environment, str(task / "tmp"), walls, own)

    def ended(self, program: Program) -> tuple[Ended, str]:
        running = self.platform.start(program)
        said = b""
        while running.ended_fd() not in readable(running.output(), running.ended_fd()):
            said += rest_of(running.output())
        ended = self.last = running.reap()
        running.kill()
        said += rest_of(running.output())
        running.close()
        return ended, said.decode()


def readable(*descriptors: int) -> list[int]:
    found, _, _ = select.select(descriptors, (), (), ENDS_WITHIN_S)
    assert found, "the program does not end"
    return list(found)


def rest_of(descriptor: int) -> bytes:
    said = b""
    try:
        while data := os.read(descriptor, 1 << 20):
            said += data
    except BlockingIOError:
        pass
    return said
