"""Environments: the packages that programs ask for, installed beside an interpreter once for all who ask alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that is there: its interpreter's path, and the SHA-256 in hex of what exactly is in it."""

    python: str
    lock: str


@dataclass(frozen=True, slots=True)
class EnvironmentPlace:
    """Where and how another machine makes environments: the folder there, the interpreter, where packages come from
    besides what `variables` of the process that starts runners say there, and seconds for one."""

    folder: str
    python: str
    index: str = field(default="", repr=False)
    links: tuple[str, ...] = ()
    timeout_s: float = 900.0
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


class Environments(Protocol):
    """Builds environments once and keeps them. Safe to call from any thread and process at a time."""

    def problem(self) -> str:
        """Why none can be built here, as a sentence with its mend; "" where they can."""

    def find(self, requirements: Sequence[str]) -> Environment | None:
        """The environment for these requirements, where it was built before."""

    def build(self, requirements: Sequence[str], stopped: Callable[[], bool]) -> Environment:
        """The same, built where it is not there: seconds to minutes. Safe to repeat.

        Raises BadInput where there can be none, in the builder's words; Unavailable where an index does not answer,
        or `stopped` says so meanwhile; MissingPart where nothing is here to build it with.
        """

    def locked(self, requirements: Sequence[str]) -> str:
        """What exactly these requirements mean here: every package with its version and hashes, as other machines
        install it. "" before `build` was asked for them."""

    def old(self, before: datetime) -> Mapping[str, Path]:
        """The environments that `build` was not asked for since `before`: lock to folder. With them `cache`, where what
        was fetched is kept, when nothing was built since."""

    def remove(self, lock: str, before: datetime) -> bool:
        """Remove one of them; False, and it stays, where it was asked for meanwhile. Safe to be cut off."""
