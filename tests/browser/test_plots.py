"""The plots of a job show something however little there is to show."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Route

from fanfold.jobs.access import UserRole
from tests.browser.conftest import Opening
from tests.browser.looking import of_colour
from tests.compat.scene import OURS, People

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
