"""What runs a block's programs: this machine's Python, or an environment with what the block requires.

An environment is built while a job is UPLOADING, before any of its programs starts, and its name changes whenever
anything in it does: a part of the key that results are kept under.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from fanfold.errors import BadInput
from fanfold.jobs.blocks import read_manifest
from fanfold.jobs.models import Job, PinnedBlock, Role
from fanfold.ports.environments import Environments


class Interpreters:
    """Finds what runs a block's Python files: `python` users', `own_python` the built-in ones."""

    def __init__(self, python: str, own_python: tuple[str, ...], environments: Environments) -> None:
        self._python = python
        self._own_python = own_python
        self._environments = environments
        self.problem = environments.problem

    def command(self, block: PinnedBlock) -> tuple[str, ...]:
        """How a block's Python files are started; BadInput where its environment is gone."""
        if block.builtin:
            return self._own_python
        required = read_manifest(block.manifest).requirements
        if not required:
            return (self._python,)
        found = self._environments.find(required)
        if found is None:
            raise BadInput(f"the environment of '{block.tag}' is gone", hint="Retry the job: that builds it again.")
        return (found.python,)

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
            block = job.blocks.of(role)
            required = () if block.builtin else read_manifest(block.manifest).requirements
            if required:
                self._environments.build(required, stopped)
