"""The executor: where work runs. It starts runs on runners and says what became of them; it decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fanfold.jobs.blocks import Device
from fanfold.jobs.chunks import Chunk
from fanfold.jobs.models import AttemptKey, Regions
from fanfold.jobs.needs import Need
from fanfold.jobs.task_lifecycle import Outcome


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """How ranges of a remote file are asked for: by GET with these headers; `allow_private` as the server's setting.

    URL and headers may hold a credential: they are in no log and no store.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class Input:
    """One file to stage in: `name` below the folder the program reads, and where its bytes are.

    `location` is an absolute path, or a key of the job's folder; with `chunk` set, the chunk says it; with `request`
    set, the chunk's range is fetched.
    """

    name: str
    location: str = ""
    chunk: Chunk | None = None
    request: RangeRequest | None = None


@dataclass(frozen=True, slots=True)
class RunOrder:
    """All a runner needs to know to run one attempt; no store, no API behind it.

    `folder` is the job's folder, `scratch` where runners work, each in a folder of its own below it, `package` the
    folder that holds `entrypoint`; `inputs_file` (JSON Lines of name and location) stands in for `inputs` where
    they are many; `env` is what the contract adds to the program's environment besides folders and params,
    `secrets` what its block's secrets add, which is in no log; `timeout_s` bounds the program's run. `account` is
    whose job it is, `trusted` says that the program is Fanfold's own, `preload` names what a warm start imports
    before, `reentrant` that one process may run chunk after chunk. `image` is the id of the image that it runs in, ""
    for none, and `runtime` the path of the command that makes containers. `environment` is the address of a list of
    packages: its runner makes an environment with them, whose Python stands in for `interpreter`; "" for none.
    `regions` says where it may run.
    """

    attempt: AttemptKey
    number: int
    folder: str
    scratch: str
    package: str
    entrypoint: str
    interpreter: tuple[str, ...] = ()
    platform: str = "process"
    account: str = ""
    trusted: bool = False
    preload: tuple[str, ...] = ()
    reentrant: bool = False
    image: str = ""
    runtime: str = ""
    environment: str = ""
    inputs: tuple[Input, ...] = ()
    inputs_file: str = ""
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    params: str = "{}"
    timeout_s: float = 3600.0
    device: Device = field(default_factory=Device)
    hash_results: bool = True
    avoid_runner: str = ""
    regions: Regions = field(default_factory=Regions)

    @property
    def need(self) -> Need:
        """What it asks for of the place where it runs."""
        return Need(self.device, self.regions)


@dataclass(frozen=True, slots=True)
class Told:
    """A run was received, or its program started, at a time, by a runner, in a region ("": in none)."""

    attempt: AttemptKey
    started: bool
    at: datetime
    runner: str
    region: str = ""


Report = Told | Outcome


@dataclass(frozen=True, slots=True)
class Capacity:
    """What an executor offers: slots in all, how many more runs it would take now, and the largest device it has."""

    slots: int
    room: int
    largest: Device


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is for programs of one need: how many could run at a time were nothing else to run, what is lacking
    where none can, to be read after "needs", and the most memory that one of them can be given (0: not known)."""

    slots: int
    lacking: str = ""
    memory_bytes: int = 0


class Executor(Protocol):
    """Runs orders. Every order gets exactly one Outcome, unless its runner or the executor dies."""

    def take_over(self) -> None:
        """This process leads from now on: hear of what an earlier one left running. Called before the first order; may
        wait some seconds."""

    def capacity(self) -> Capacity:
        """What is there now."""

    def offer(self, need: Need) -> Offer:
        """What is there now for programs with this need."""

    def start(self, orders: Sequence[RunOrder]) -> None:
        """Take orders; returns at once."""

    def cancel(self, attempts: Sequence[AttemptKey]) -> None:
        """End these runs and all their processes; no further report of them need come. Safe to repeat."""

    def collect(self) -> list[Report]:
        """The reports since the last call, in the order they came; never waits."""

    def alive(self) -> list[AttemptKey]:
        """The attempts whose runners were heard of lately: their leases may be renewed."""

    def runners(self) -> list[dict[str, Any]]:
        """What each runner does now, for eyes."""

    def drain(self) -> None:
        """Take nothing new and give back, as GivenBack, what has not started; what runs goes on."""

    def close(self, drain_s: float) -> None:
        """Take nothing new, let runs end for up to `drain_s` seconds, give back the rest, end all processes."""
