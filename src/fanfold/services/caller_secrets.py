"""Secrets of `fanfold run`: what a block lists is taken from the environment of the person who runs it."""

from __future__ import annotations

from collections.abc import Mapping

from fanfold.errors import BadInput, Problem
from fanfold.jobs.blocks import read_manifest
from fanfold.jobs.models import Job, PinnedBlock
from fanfold.jobs.secrets import environment_names
from fanfold.ports.secrets import ProgramSecrets


class CallerSecrets:
    """Gives programs the variables that are named like their secrets, and no others."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def environment(self, account_id: str, block: PinnedBlock) -> dict[str, str]:
        """See `ports.secrets`."""
        found: dict[str, str] = {}
        problems: list[Problem] = []
        for secret_id in read_manifest(block.manifest).secrets:
            names = environment_names(secret_id)
            given = {name: self._environment[name] for name in names if self._environment.get(name)}
            if names[2] not in given and len(given) != 2:
                mend = f"set {names[0]} and {names[1]}, or {names[2]} for a secret that is one value"
                problems.append(Problem("platform_config.secrets", f"{block.tag}: '{secret_id}' is not set; {mend}"))
            found |= given
        if problems:
            raise BadInput("the block cannot get its secrets", problems)
        return found

    def job_over(self, job: Job) -> None:
        """None were given inside it."""


_fits: type[ProgramSecrets] = CallerSecrets
