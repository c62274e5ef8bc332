"""The lease of the one active orchestrator of a database. Its holder's number, the epoch, only grows; whoever writes
under an older one is refused by the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Held:
    """The lease as it stands: by whom ("" where it was given back), under which epoch, its `beat`, which moves while
    the holder lives, whether the database has a connection of the holder, and what the holder tells of itself."""

    holder: str
    epoch: int
    beat: int
    connected: bool
    told: Mapping[str, Any] = field(default_factory=dict)


NOBODY = Held("", 0, 0, connected=False)


class Role(StrEnum):
    """What a process is there for."""

    BOTH = "both"
    API = "api"
    ORCHESTRATOR = "orchestrator"


class Standing(StrEnum):
    """Whether this process's orchestrator works, waits, or is none."""

    ACTIVE = "active"
    STANDBY = "standby"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Orchestrators:
    """How things stand: this process, and the one that has the lease ("" where nobody is known to)."""

    role: Role
    standing: Standing
    holder: str = ""
    epoch: int = 0


class Lease(Protocol):
    """One process's hand on it. Raises Unavailable."""

    @property
    def me(self) -> str:
        """This process's name."""

    def look(self) -> Held:
        """The lease as it stands; NOBODY where there never was one."""

    def take(self, seen: Held) -> int:
        """Take the lease where it still is as it was seen, and end its last holder's connections; the new epoch, 0
        where somebody was quicker."""

    def beat(self, epoch: int, told: Mapping[str, Any]) -> bool:
        """Say that the holder lives; False where the lease is another's."""

    def give_back(self, epoch: int) -> None:
        """Let another take it at once; nothing where it is another's already."""

    def close(self) -> None:
        """Let go of the connection, not of the lease."""
