"""The plots of a job show something however little there is to show."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Route, expect

from fanfold.jobs.access import UserRole
from tests.browser.conftest import WAIT_MS, Opening
from tests.browser.looking import of_colour
from tests.compat.scene import HOLD, OURS, People, draft, fresh, push, run

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize(("word", "colour"), [("good", "--accent"), ("bad", "--bad")])
def test_what_ended_at_one_moment_is_drawn(opening: Opening, people: People, word: str, colour: str) -> None:
    job = people.a_finished_job(OURS)
    page = opening(people.keys[OURS, UserRole.VIEWER])

    def at_one_moment(route: Route) -> None:
        figures = route.fetch().json()
        one = {"times": [figures["first"] / 1000], "good": [0], "bad": [0], word: [40]}
        route.fulfill(body=json.dumps({**figures, "throughput": one}), content_type="application/json")

    page.route("**/pictures?*", at_one_moment)
    page.goto(f"/console/jobs/{job}")
    page.locator("[data-drawn=yes]").wait_for()
    assert of_colour(page, "[data-throughput]", colour) > 50


def test_a_bar_tells_its_parts(opening: Opening, people: People) -> None:
    job = people.a_finished_job(OURS)
    page = opening(people.keys[OURS, UserRole.VIEWER])

    def one_bar(route: Route) -> None:
        figures = route.fetch().json()
        lane = {"name": "local-0", "runner": True, "bars": [[0, 1000, 6000, 10_000, 1, 7, 2]], "cells": []}
        told = {**figures, "to": figures["from"] + 10_000, "last": figures["first"] + 10_000, "lanes": [lane]}
        route.fulfill(body=json.dumps(told), content_type="application/json")

    page.route("**/pictures?*", one_bar)
    page.goto(f"/console/jobs/{job}")
    page.locator("[data-drawn=yes]").wait_for()
    for colour in ("--stage", "--bad", "--series-2"):
        assert of_colour(page, "[data-timeline]", colour) > 50
    box = page.locator("[data-timeline]")
    box.hover(position={"x": 300, "y": 32})
    told = "chunk 7, attempt 2: failed, on local-0, staged in 1 s, ran 5 s, staged out 4 s"
    expect(box.locator(".tip")).to_have_text(told)
    box.click(position={"x": 300, "y": 32})
    page.wait_for_url("**/tasks/7")


def test_a_job_of_which_nothing_has_ended_says_so(opening: Opening, people: People) -> None:
    app = people.once("holding app", lambda: push(people.developer, "holding", HOLD))
    params = {"app": {"until": "/nowhere/ever"}, "partitioner": {"items": [str(number) for number in range(9)]}}
    job = draft(people.submitter, app, name=fresh("early"), partitioner="list-items", assembler="concat", params=params)
    run(people.submitter, job["id"])
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.goto(f"/console/jobs/{job['id']}")
    expect(page.locator("#job-head .state").first).to_contain_text("partitioned", timeout=WAIT_MS)
    expect(page.locator(".figures")).to_contain_text("0 of 9", timeout=WAIT_MS)
    page.reload()
    page.locator("[data-drawn=yes]").wait_for()
    expect(page.locator("[data-throughput-told]")).to_have_text("No attempt has ended yet.")
    expect(page.locator("[data-durations-told]")).to_have_text("No program has ended yet.")
    expect(page.locator("[data-throughput]")).to_be_hidden()
    page.get_by_role("link", name="Abort").click()
    page.get_by_role("button", name="Abort the job").click()
    expect(page.locator("#job-head .state").first).to_contain_text("failed", timeout=WAIT_MS)
