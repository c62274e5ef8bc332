"""What runs a block's programs: this machine's Python, or an environment with what the block requires.

An environment is built while a job is UPLOADING, before any of its programs starts, and its name changes whenever
anything in it does: a part of the key that results are kept under. Nodes that do not see the server's environments are
given the exact list of the packages in it, and make their own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence

from fanfold.errors import BadInput
from fanfold.jobs.blocks import read_manifest
from fanfold.jobs.models import Job, PinnedBlock, Role
from fanfold.pipeline.workspace import Workspace
from fanfold.ports.environments import Environments


class Interpreters:
    """Finds what runs a block's Python files: `python` users', `own_python` the built-in ones. Where nodes make
    environments themselves, `lists` is where what they install is written down."""

    def __init__(
        self, python: str, own_python: tuple[str, ...], environments: Environments, lists: Workspace | None = None
    ) -> None:
        self._python = python
        self._own_python = own_python
        self._environments = environments
        self._lists = lists
        self.problem = environments.problem

    def command(self, block: PinnedBlock) -> tuple[str, ...]:
        """How a block's Python files are started; BadInput where its environment is gone."""
        if block.builtin:
            return self._own_python
        required = read_manifest(block.manifest).requirements
        if not required or self._lists is not None:
            return (self._python,)
        found = self._environments.find(required)
        if found is None:
            raise BadInput(f"the environment of '{block.tag}' is gone", hint="Retry the job: that builds it again.")
        return (found.python,)

    def packages(self, job: Job, role: Role) -> str:
        """The address of the list of what a node installs beside the interpreter of a job's block; "" for nothing."""
        assert job.blocks is not None
        if self._lists is None or not _required(job.blocks.of(role)):
            return ""
        return self._lists.blobs.address(self._lists.job(job.id).packages(role, job.round))

    def lock(self, block: PinnedBlock) -> str:
        """The SHA-256 in hex of what exactly is in a block's environment; "" where it requires nothing or was not
        built yet."""
        required = read_manifest(block.manifest).requirements
        found = self._environments.find(required) if required else None
        return "" if found is None else found.lock

    def name(self, block: PinnedBlock) -> str | None:
        """The name of all that runs a block, as `jobs.reuse.work_key` needs it: of an environment its lock, else the
        interpreter's own file, its size and time; None where it is not found. What is installed for an interpreter
        beside its own library is not part of the name."""
        if read_manifest(block.manifest).requirements:
            return self.lock(block) or None
        try:
            path = os.path.realpath(shutil.which(self._python) or self._python)
            info = os.stat(path)
        except OSError:
            return None
        return f"{path} {info.st_size} {info.st_mtime_ns}"

    def provide(self, job: Job, stopped: Callable[[], bool]) -> None:
        """Build what a job's blocks require, where it is not there. Raises as `ports.environments` says."""
        assert job.blocks is not None
        for role in Role:
            required = _required(job.blocks.of(role))
            if required:
                self._environments.build(required, stopped)
                self._write_down(job, role, required)

    def _write_down(self, job: Job, role: Role, required: Sequence[str]) -> None:
        if self._lists is None:
            return
        path = self._lists.job(job.id).packages(role, job.round)
        self._lists.effects.make_folder(path.parent)
        with self._lists.blobs.new(path) as file:
            file.write(self._environments.locked(required).encode())


def _required(block: PinnedBlock) -> tuple[str, ...]:
    return () if block.builtin else read_manifest(block.manifest).requirements
