"""The pages, each with what it needs."""

from __future__ import annotations

from fanfold.console.app import Page
from fanfold.console.pages import (
    blocks,
    commands,
    drafts,
    example,
    job,
    jobs,
    keeping,
    logs,
    people,
    plots,
    results,
    signing,
    tasks,
    templates,
    wallet,
)

_OF_JOBS = (jobs, job, plots, tasks, logs, results, commands, drafts, example)
_OF_ACCOUNTS = (blocks, templates, keeping, wallet, people)


def all_pages() -> list[Page]:
    """Every page of the console."""
    return [page for room in (signing, *_OF_JOBS, *_OF_ACCOUNTS) for page in room.PAGES]
