"""A real browser: Debian's Chromium, moved by Playwright, in front of a real server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.compat.scene import People
from tests.compat.server import Server
from tests.conftest import absent

CHROMIUM = "chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
WAIT_MS = 60_000
"""For what must come; a slow machine may take so long."""

Opening = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a file, and no longer: Playwright keeps an event loop in this thread, in which other
    tests could not have one of their own."""
    program = shutil.which(CHROMIUM)
    if program is None:
        absent(CHROMIUM, "no such program on PATH; the console is tested in a real browser (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS, timeout=WAIT_MS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all tests of a worker share."""
    made = Server(tmp_path_factory.mktemp("server"), slots=2, requests_per_s=100_000, isolation="off").start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="session")
def people(server: Server) -> Iterator[People]:
    """Accounts `ours` and `theirs`."""
    made = People(server)
    yield made
    made.close()


@pytest.fixture
def opening(chromium: Browser, server: Server) -> Iterator[Opening]:
    """Opens windows that are signed in with a key; a script that breaks, or is refused, fails the test."""
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def opened(key: str, *, width: int = 1280, dark: bool = False, base: str = "") -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if dark else "light",
            base_url=base or server.url,
            accept_downloads=True,
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: troubles.append(f"{page.url}: {error}"))
        page.on("console", lambda said: troubles.append(f"{page.url}: {said.text}") if _bad(said.text) else None)
        if key:
            page.goto("/console/sign-in")
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/console/jobs")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not troubles, "\n".join(troubles)


def _bad(said: str) -> bool:
    return any(word in said for word in ("Content Security Policy", "Uncaught", "TypeError", "Refused to"))


@pytest.fixture(scope="session")
def pictures() -> Path | None:
    """Where screenshots go: only where FANFOLD_PICTURES names a folder, as `make pictures` does."""
    folder = os.environ.get("FANFOLD_PICTURES")
    return Path(folder) if folder else None
