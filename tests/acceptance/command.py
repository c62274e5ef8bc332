"""The real command in a process of its own, with a state folder of its own, and what it left in its store."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from fanfold.effects import Effects
from fanfold.jobs.models import Job, JobState
from fanfold.ports.store import JobFilter, Store
from fanfold.stores.sqlite import SqliteStore

RECORDS = ("provenance.json", "failed.jsonl")
FANFOLD = Path(sys.executable).with_name("fanfold")

COPY = """
import os, shutil
shutil.copyfile(os.environ["TASK_DIR"] + "/data.bin", os.environ["TASK_RESULTS_DIR"] + "/copy.txt")
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Its one line of error."""
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, self.err
        return lines[0]


class Desk:
    """A folder to type commands in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.state), "COLUMNS": "200"}
        for name in ("FORCE_COLOR", "PYTHONUNBUFFERED"):  # what is seen, and when, is not up to who runs the tests
            self.environment.pop(name, None)

    def write(self, name: str, content: str | bytes) -> Path:
        """A file of this folder."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def block(self, name: str, program: str, **manifest: Any) -> Path:
        """A block folder."""
        self.write(f"{name}/app/main.py", program)
        self.write(f"{name}/manifest.json", json.dumps({"name": name, "version": "0.1", **manifest}))
        return self.path / name

    def start(self, *words: object, **options: Any) -> subprocess.Popen[str]:
        """Start a command."""
        pipe = subprocess.PIPE
        settings = {"cwd": self.path, "env": self.environment, "stdout": pipe, "stderr": pipe, "text": True, **options}
        return subprocess.Popen([FANFOLD, *map(str, words)], **settings)

    def type(self, *words: object, **options: Any) -> Ended:
        """Carry a command out."""
        with self.start(*words, **options) as process:
            out, err = process.communicate()
        assert "Traceback" not in err.replace("  | Traceback", ""), err
        return Ended(process.returncode, out, err)

    def run(self, *words: object, **options: Any) -> Ended:
        """Carry a `fanfold run` out, each chunk tried once."""
        return self.type("run", "--max-attempts", 1, *words, **options)

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store of the one run whose state is kept."""
        [database] = (self.state / "fanfold" / "runs").glob("*/fanfold.db")
        store = SqliteStore(database, Effects())
        try:
            yield store
        finally:
            store.close()

    def job(self) -> Job:
        """The job of the one run whose state is kept."""
        with self.store() as store:
            assert store.violations() == []
            [job], _ = store.jobs(JobFilter())
            return job

    def keeps_nothing(self) -> bool:
        """Whether no state of a run is kept."""
        return not [path for path in self.state.rglob("*") if path.is_file() and path.suffix != ".lock"]

    def output(self, name: str = "out") -> dict[str, bytes]:
        """What lies in an output folder, hidden files too."""
        folder = self.path / name
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stage_before_failure(job: Job) -> JobState:
    """The state a failed job was in."""
    assert job.state is JobState.FAILED
    passed = [state for state in JobState if state in job.state_timestamps]
    return passed[-2]


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """`kill -9` of a process and all its descendants, wherever their sessions are."""
    try:
        root = psutil.Process(process.pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for one in tree:
        try:
            one.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree[1:], timeout=5)
    process.wait()


def only(files: Mapping[str, bytes]) -> bytes:
    """The content of the one file that the assembler made."""
    [content] = [content for name, content in files.items() if not name.startswith(".") and name not in RECORDS]
    return content
