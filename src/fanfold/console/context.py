"""What pages are handed: the services that the API has too, and how a job looks as its JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fanfold.console.sessions import Sessions
from fanfold.errors import FanfoldError
from fanfold.events.hub import Hub
from fanfold.jobs.access import Caller
from fanfold.jobs.models import Job
from fanfold.ports.clock import Clock
from fanfold.ports.executor import Executor
from fanfold.ports.space import Space
from fanfold.ports.spans import Spans
from fanfold.ports.store import Store
from fanfold.services.access import AccessService
from fanfold.services.blocks import BlockService
from fanfold.services.caches import CacheService
from fanfold.services.jobs import JobService
from fanfold.services.logs import LogService
from fanfold.services.plans import PlanService
from fanfold.services.rate_limits import AccountLimits, RateLimits
from fanfold.services.results import ResultService
from fanfold.services.secrets import SecretService
from fanfold.services.templates import TemplateService
from fanfold.services.uploads import UploadService
from fanfold.services.wallet import WalletService


class Services(Protocol):
    """What the pages ask. `public_url` is where people reach this server, without a trailing slash."""

    @property
    def access(self) -> AccessService:
        """Keys, people, audit."""

    @property
    def limits(self) -> RateLimits:
        """How often a key may ask."""

    @property
    def account_limits(self) -> AccountLimits:
        """How often an account's keys may ask together."""

    @property
    def jobs(self) -> JobService:
        """Jobs."""

    @property
    def blocks(self) -> BlockService:
        """Apps and engines."""

    @property
    def templates(self) -> TemplateService:
        """Templates."""

    @property
    def secrets(self) -> SecretService:
        """Secrets."""

    @property
    def caches(self) -> CacheService:
        """Caches."""

    @property
    def plans(self) -> PlanService:
        """Plans of drafts."""

    @property
    def results(self) -> ResultService:
        """Outputs."""

    @property
    def logs(self) -> LogService:
        """What programs printed."""

    @property
    def uploads(self) -> UploadService:
        """Inputs that are sent."""

    @property
    def wallet(self) -> WalletService:
        """Money."""

    @property
    def store(self) -> Store:
        """What is remembered."""

    @property
    def executor(self) -> Executor:
        """Runners."""

    @property
    def space(self) -> Space:
        """Disk space."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def hub(self) -> Hub:
        """Wake-ups at commits."""

    @property
    def public_url(self) -> str:
        """Where the server is reached."""

    @property
    def alive(self) -> Callable[[], bool]:
        """Whether jobs move."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """The public JSON of things, as the API writes and reads it."""

    job: Callable[[Job], dict[str, Any]]
    """A job's public fields."""

    draft: Callable[[Caller, Mapping[str, Any]], dict[str, Any]]
    """From the body of POST /jobs to a draft's fields; BadInput naming every problem by the API's names."""

    template: Callable[[Any], Any]
    """A template's values checked, as POST /templates takes them; BadInput naming every problem."""

    status: Callable[[FanfoldError], int]
    """The HTTP status of an error."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the server as administrators see it: "set" or "" stands for the value of a secret one. `usual`:
    whether it is the default."""

    name: str
    value: str
    what: str
    usual: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a page may ask."""

    services: Services
    sessions: Sessions
    shapes: Shapes
    spans: Spans
    settings: tuple[Setting, ...]
