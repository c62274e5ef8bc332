"""S1 at the console: every page, with every role, without a session, and of another account's job."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from fanfold.console.app import Page
from fanfold.console.pages import all_pages
from fanfold.jobs.access import RIGHTS, Right, UserRole
from tests.compat.console import Browser
from tests.compat.scene import OURS, THEIRS, People
from tests.compat.server import Server

pytestmark = pytest.mark.timeout(180)

PAGES = [page for page in all_pages() if page.right is not Right.NOTHING]
NAMES = [f"{page.method} {page.path}" for page in PAGES]
OPEN = {"/", "/sign-in", "/enter/{secret}"}


@pytest.fixture(scope="module")
def browsers(server: Server, people: People) -> Iterator[dict[UserRole, Browser]]:
    made = {role: Browser(server, people.keys[OURS, role]) for role in UserRole}
    for browser in made.values():
        browser.__enter__()
    yield made
    for browser in made.values():
        browser.close()


def address(page: Page, job_id: str) -> str:
    """The page of a job of that id; anything else in the path is made up."""
    return "/console" + re.sub(
        r"\{[a-z_:]+\}", "made-up", page.path.replace("{job_id}", job_id).replace("{index}", "0")
    )


def test_only_pages_for_signing_in_need_no_right() -> None:
    assert {page.path for page in all_pages()} - {page.path for page in PAGES} == OPEN


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_nobody_gets_in_without_a_session(server: Server, page: Page) -> None:
    with Browser(server) as nobody:
        answer = nobody.request(page.method, address(page, "some"))
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"].startswith("/console/sign-in")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_role_without_the_right_is_refused(browsers: dict[UserRole, Browser], people: People, page: Page) -> None:
    job = people.a_finished_job(OURS)
    for role, browser in browsers.items():
        if page.right in RIGHTS[role]:
            continue
        answer = browser.request(page.method, address(page, job))
        assert answer.status_code == 403, f"{role}: {answer.text}"


@pytest.mark.parametrize("page", [page for page in PAGES if "{job_id}" in page.path], ids=lambda page: page.path)
def test_another_accounts_job_is_not_there(browsers: dict[UserRole, Browser], people: People, page: Page) -> None:
    theirs = people.a_finished_job(THEIRS)
    browser = browsers[UserRole.ADMINISTRATOR]
    data = {"csrf": browser.token()} if page.method == "POST" else None
    answer = browser.request(page.method, address(page, theirs), data=data)
    assert answer.status_code == 404, answer.text
