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
)


def all_pages() -> list[Page]:
    """Every page of the console."""
    return [
        page
        for room in (
            signing,
            jobs,
            job,
            plots,
            tasks,
            logs,
            results,
            commands,
            drafts,
            example,
            blocks,
            templates,
            keeping,
            people,
        )
        for page in room.PAGES
    ]
