"""A store, a job storage and a turned clock, with jobs brought to where a test of files begins."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fanfold.effects import Effects
from fanfold.jobs.lifecycle import Event, OutputMerged, ResultsSettled, RunAccepted, TasksEnded, step
from fanfold.jobs.models import AttemptKey, DataRef, Job, JobState, ResultFile, ResultManifest, Role, TaskKey, Usage
from fanfold.jobs.task_lifecycle import Succeeded, after_attempt
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.store import Finished
from fanfold.services.signing import Signer
from fanfold.stores.sqlite import SqliteStore
from fanfold.stores.uploads import SqlUploads
from tests.people import TurnedClock
from tests.values import NOON, ROAD, a_job, a_task, after

URL = "http://fanfold.test:8480"


@dataclass
class Shelf:
    """What services of files are made of; all real, the database in memory."""

    root: Path
    store: SqliteStore = field(default_factory=lambda: SqliteStore(None, Effects()))
    clock: TurnedClock = field(default_factory=TurnedClock)
    signer: Signer = field(default_factory=lambda: Signer(b"k" * 32))

    def __post_init__(self) -> None:
        self.workspace = Workspace(self.root, Effects())
        self.uploads = SqlUploads(self.store.database)

    def drafted(self, job_id: str = "job", **fields: Any) -> Job:
        self.store.insert_job(a_job(job_id, **fields), "ann")
        return self.store.job(job_id)

    def stepped(self, job_id: str, event: Event, **more: Any) -> Job:
        return self.store.advance(step(self.store.job(job_id), event, NOON, **more))

    def complete(self, output: Mapping[str, bytes], job_id: str = "job", to: str = "bucket", **fields: Any) -> Job:
        """A job that came to COMPLETE at noon, with an assembler's output on disk."""
        job = self.drafted(job_id, data_destination=DataRef(to), **fields)
        for event in ROAD:
            match event:
                case RunAccepted():
                    job = self.stepped(job_id, replace(event, config=job.config))
                case TasksEnded():
                    job = self.stepped(job_id, TasksEnded(0, 0))
                case ResultsSettled():
                    job = self.stepped(job_id, event, tasks=[a_task(0, job_id, Role.ASSEMBLER)])
                case OutputMerged():
                    self._assemble(job_id, output)
                    job = self.stepped(job_id, event)
                case _:
                    job = self.stepped(job_id, event)
        assert job.state is JobState.COMPLETE
        return job

    def _assemble(self, job_id: str, output: Mapping[str, bytes]) -> None:
        [task] = self.store.claim(job_id, 1, NOON, after(15))
        self.workspace.job(job_id).make()
        folder = self.workspace.job(job_id).result(task.attempt_key)
        for name, data in output.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        files = tuple(ResultFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in output.items())
        manifest = ResultManifest(len(files), sum(file.size_bytes for file in files), files)
        won = Succeeded(task.attempt_key, NOON, Usage(), NOON, "local-1", result=manifest)
        assert self.store.finish([Finished(task, after_attempt(task, won, 3), won)])

    def output_folder(self, job_id: str = "job") -> Path:
        """Where the assembler of a complete job left its output."""
        task = self.store.task(TaskKey(job_id, Role.ASSEMBLER, 0))
        return self.workspace.job(job_id).result(task.attempt_key)

    def printed(self, role: Role, index: int, fence: int, *lines: bytes, job_id: str = "job") -> Path:
        """An attempt's log with these raw lines added."""
        path = self.workspace.job(job_id).log(AttemptKey(TaskKey(job_id, role, index), fence))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(b"".join(lines))
        return path
