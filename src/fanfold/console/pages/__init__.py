"""The pages, each with what it needs."""

from __future__ import annotations

from fanfold.console.app import Page
from fanfold.console.pages import commands, job, jobs, logs, plots, results, signing, tasks


def all_pages() -> list[Page]:
    """Every page of the console."""
    return [page for room in (signing, jobs, job, plots, tasks, logs, results, commands) for page in room.PAGES]
