"""Every page: nothing that axe holds against it, in light and in dark; nothing wider than the window of a phone."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pytest

from fanfold.jobs.access import UserRole
from tests.browser.conftest import Opening
from tests.browser.looking import CONTRAST, too_wide, violations
from tests.compat.scene import OURS, People, draft, ended, fresh, push, run

pytestmark = pytest.mark.timeout(300)

FAILING = """#!/bin/sh
echo "ERROR: $(head -c 300 /dev/zero | tr '\\0' 'x')"
exit 3
"""


@dataclass(frozen=True)
class Jobs:
    """Jobs in different states."""

    complete: str
    failed: str
    new: str
    app: str


@pytest.fixture(scope="session")
def jobs(people: People) -> Jobs:
    failing = push(people.developer, "wide-failing", FAILING)
    failed = draft(people.submitter, failing, name=fresh("failed"), config={"maxAttempts": 1})["id"]
    run(people.submitter, failed)
    new = draft(people.submitter, people.app(OURS), dataSource={"dataSourceDescriptor": "file"})["id"]
    ended(people.submitter, failed, "JOB_STATE_FAILED", deadline_s=120)
    return Jobs(people.a_finished_job(OURS), failed, new, people.app(OURS))


PATHS = {
    "jobs": ["/jobs", "/jobs?show=failed&name=nothing-like-it", "/jobs/{complete}", "/jobs/{failed}", "/jobs/{new}"],
    "tasks": ["/jobs/{complete}/tasks", "/jobs/{failed}/tasks/0", "/jobs/{failed}/logs", "/jobs/{failed}/retry"],
    "results": ["/jobs/{complete}/results", "/jobs/{complete}/results?file=copy.txt", "/jobs/{complete}/details"],
    "new": ["/new", "/new/job?like={complete}", "/jobs/{new}/edit", "/jobs/{new}/delete"],
    "blocks": [
        "/templates",
        "/template",
        "/apps",
        "/engines?show=public",
        "/engines/split-lines?type=partitioner",
        "/apps/{app}",
    ],
    "kept": ["/secrets", "/keys", "/cache", "/wallet", "/wallet?by=template", "/wallet?by=account"],
    "run": ["/people", "/audit", "/system", "/settings", "/nowhere"],
}


def addresses(group: str, jobs: Jobs) -> list[str]:
    return ["/console" + path.format(**asdict(jobs)) for path in PATHS[group]]


@pytest.mark.parametrize("group", PATHS)
def test_axe_holds_nothing_against_a_page(opening: Opening, people: People, jobs: Jobs, group: str) -> None:
    page = opening(people.keys[OURS, UserRole.ADMINISTRATOR])
    found = []
    for path in addresses(group, jobs):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == (404 if path.endswith("/nowhere") else 200), f"{path}: {answer.status}"
        found += violations(page)
    assert not found, "\n".join(found)


def test_everything_can_be_read_in_the_dark(opening: Opening, people: People, jobs: Jobs) -> None:
    page = opening(people.keys[OURS, UserRole.ADMINISTRATOR], dark=True)
    found = []
    for path in (
        *addresses("jobs", jobs),
        *addresses("tasks", jobs),
        *addresses("new", jobs),
        *addresses("kept", jobs),
    ):
        page.goto(path)
        found += violations(page, CONTRAST)
    assert not found, "\n".join(found)


def test_nothing_is_wider_than_a_phone(opening: Opening, people: People, jobs: Jobs) -> None:
    page = opening(people.keys[OURS, UserRole.ADMINISTRATOR], width=360)
    found = []
    for path in (path for group in PATHS for path in addresses(group, jobs)):
        page.goto(path)
        found += filter(None, [too_wide(page)])
    assert not found, "\n".join(found)


def test_the_sign_in_page_is_for_everybody_too(opening: Opening) -> None:
    for width in (1280, 360):
        page = opening("", width=width)
        page.goto("/console/sign-in")
        assert violations(page) == []
        assert not too_wide(page)


def test_the_whole_page_can_be_reached_by_keyboard(opening: Opening, people: People) -> None:
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "New job"
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/new")
    page.go_back()
    page.wait_for_url("**/console/jobs*")


def test_light_and_dark_are_chosen_and_kept(opening: Opening, people: People) -> None:
    page = opening(people.keys[OURS, UserRole.VIEWER])
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="dark").click()
    page.locator("html[data-theme=dark]").wait_for()
    page.wait_for_load_state()
    assert page.evaluate(paper) != light
    page.goto("/console/apps")
    assert page.evaluate(paper) != light
    page.get_by_role("button", name="light").click()
    page.locator("html[data-theme=light]").wait_for()
    page.wait_for_load_state()
    assert page.evaluate(paper) == light
