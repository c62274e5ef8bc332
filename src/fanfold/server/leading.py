"""How a server process takes part: which role it has, how it learns that it leads, how it ends when it is deposed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import structlog

from fanfold.clocks import SteadyClock
from fanfold.executors.elsewhere import told_of
from fanfold.pipeline.leadership import Lead, Leadership, Sole
from fanfold.ports.executor import Executor
from fanfold.ports.lease import Role
from fanfold.settings import Settings

if TYPE_CHECKING:
    from fanfold.stores.database import Database

log = structlog.get_logger(__name__)

DEPOSED = 75
"""The exit status of a process that was deposed: start it again (EX_TEMPFAIL)."""


def lead_of(settings: Settings, database: Database, executor: Executor) -> Lead:
    """Who leads: this process alone, or the one of several that has the lease."""
    if not settings.database:
        return Sole()
    from fanfold.stores.postgres import PostgresDatabase

    assert isinstance(database, PostgresDatabase)
    lead = Leadership(database.lease(), SteadyClock(), Role(settings.role), lambda: told_of(executor), _end)
    database.listen_to_others(lead.wake)
    return lead


def _end(why: str) -> None:
    """End at once, whatever other threads are doing: none of it would count, and some of it could be in the way of the
    process that leads now. Runners end with it."""
    log.error("this process ends, to be started again", why=why)
    os._exit(DEPOSED)
