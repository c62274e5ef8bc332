"""A person signs in and watches a job."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from fanfold.jobs.access import UserRole
from tests.browser.conftest import WAIT_MS, Opening
from tests.compat.scene import HOLD, OURS, People, draft, fresh, push, run

pytestmark = pytest.mark.timeout(180)


def test_a_job_is_watched_to_its_end_without_a_reload(opening: Opening, people: People, tmp_path) -> None:
    app = people.once("holding app", lambda: push(people.developer, "holding", HOLD))
    gate = tmp_path / "gate"
    job = draft(people.submitter, app, name=fresh("watched"), params={"app": {"until": str(gate)}})
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.get_by_role("link", name=job["name"]).click()
    page.evaluate("window.neverReloaded = true")
    step = page.locator(".steps [aria-current=step]")
    expect(step).to_contain_text("draft")
    run(people.submitter, job["id"])
    expect(step).to_contain_text("partitioned", timeout=WAIT_MS)
    gate.write_text("go")
    expect(step).to_contain_text("complete", timeout=WAIT_MS)
    expect(page.locator("#job-head .state").first).to_contain_text("complete")
    expect(page.locator(".figures")).to_contain_text("1 of 1")
    assert page.evaluate("window.neverReloaded"), "the page was loaded again"


def test_the_list_of_jobs_follows(opening: Opening, people: People) -> None:
    app = people.app(OURS)
    page = opening(people.keys[OURS, UserRole.VIEWER])
    job = draft(people.submitter, app, name=fresh("listed"))
    if not page.locator("#rows").count():  # it was the first job of all
        page.reload()
    row = page.locator("tr", has_text=job["name"])
    expect(row).to_contain_text("draft", timeout=WAIT_MS)
    run(people.submitter, job["id"])
    expect(row).to_contain_text("complete", timeout=WAIT_MS)


def test_a_job_that_came_before_the_list_began_to_follow_is_shown(opening: Opening, people: People) -> None:
    people.a_finished_job(OURS)
    app, name = people.app(OURS), fresh("early")
    page = opening(people.keys[OURS, UserRole.VIEWER])

    def held_back(route: Route) -> None:
        draft(people.submitter, app, name=name)
        route.continue_()

    page.route("**/jobs/live*", held_back, times=1)
    page.reload()
    expect(page.locator("tr", has_text=name)).to_contain_text("draft", timeout=WAIT_MS)


def test_a_phone_shows_the_menu_when_it_is_asked_for(opening: Opening, people: People) -> None:
    page = opening(people.keys[OURS, UserRole.VIEWER], width=360)
    link = page.get_by_role("navigation", name="Main").get_by_role("link", name="Jobs")
    expect(link).to_be_hidden()
    page.get_by_text("Menu").click()
    expect(link).to_be_visible()
