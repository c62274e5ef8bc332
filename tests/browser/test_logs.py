"""Logs that are longer than a page: their end, their errors, what was printed before."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from fanfold.jobs.access import UserRole
from tests.browser.conftest import WAIT_MS, Opening
from tests.browser.looking import violations
from tests.compat.scene import HOLD, OURS, People, draft, ended, fresh, push, run

pytestmark = pytest.mark.timeout(240)

LINES = 2000
LONG = f"""#!/bin/sh
awk 'BEGIN {{ for (n = 1; n <= {LINES}; n++)
  print (n == 1200 || n == {LINES} ? "ERROR: " : n % 2 ? "WARNING: " : "INFO: ") "line " n }}'
exit 3
"""


@pytest.fixture(scope="session")
def long_log(people: People) -> str:
    """A job that failed, whose one task printed so many lines: one error is in the middle, one at the end."""
    app = push(people.developer, fresh("long-log"), LONG)
    job = draft(people.submitter, app, name=fresh("long log"), config={"maxAttempts": 1})["id"]
    run(people.submitter, job)
    ended(people.submitter, job, "JOB_STATE_FAILED", deadline_s=60)
    return str(job)


def text_of(line: Locator) -> str:
    return (line.locator(".text").text_content() or "").removesuffix("\n")


def test_the_end_is_one_click_away_and_what_was_before_it_too(opening: Opening, people: People, long_log: str) -> None:
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.goto(f"/console/jobs/{long_log}/logs")
    lines = page.locator(".log .line")
    expect(lines).to_have_count(500)
    page.get_by_role("link", name="To the end").click()
    expect(lines.last).to_contain_text(f"line {LINES}")
    expect(lines.last).to_be_in_viewport()
    expect(lines).to_have_count(500)
    first = lines.first.text_content()
    page.get_by_role("button", name="Show earlier lines").click()
    expect(lines).to_have_count(1000)
    assert lines.nth(500).text_content() == first
    expect(lines.first).to_contain_text(f"line {LINES - 999}")
    assert violations(page) == []
    page.get_by_role("link", name="From the beginning").click()
    expect(lines.first).to_contain_text("line 1")


def test_the_next_error_is_found_however_far_it_is(opening: Opening, people: People, long_log: str) -> None:
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.goto(f"/console/jobs/{long_log}/logs")
    jump = page.get_by_role("button", name="Next error")
    jump.click()
    here = page.locator(".line.found")
    expect(here).to_contain_text("line 1200")
    expect(here).to_be_in_viewport()
    expect(page.locator(".log .line").first).to_contain_text("line 1190")
    jump.click()
    expect(here).to_contain_text(f"line {LINES}")
    page.go_back()
    expect(here).to_contain_text("line 1200")
    page.goto(f"/console/jobs/{long_log}/logs/error?find=line+7")
    expect(page.locator("[data-log-told]")).to_contain_text("no error")


def test_what_was_chosen_holds_for_the_next_lines(opening: Opening, people: People, long_log: str) -> None:
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.goto(f"/console/jobs/{long_log}/logs?level=WARNING&level=ERROR")
    lines = page.locator(".log .line")
    expect(lines).to_have_count(500)
    page.get_by_role("button", name="Show the next lines").click()
    expect(lines).to_have_count(1000)
    assert {level for level in ("INFO", "WARNING", "ERROR") if page.locator(f".line.{level}").count()} == {
        "WARNING",
        "ERROR",
    }


def test_a_task_and_a_failure_show_how_it_ended(opening: Opening, people: People, long_log: str) -> None:
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.goto(f"/console/jobs/{long_log}/tasks/0")
    expect(page.locator(".log .line").last).to_contain_text(f"line {LINES}")
    page.goto(f"/console/jobs/{long_log}")
    page.locator(".groups").get_by_role("link", name="Log").click()
    expect(page.locator(".log .line").last).to_contain_text(f"line {LINES}")
    expect(page.locator(".log .line").last).to_be_in_viewport()


def test_who_follows_misses_nothing_since_the_page_was_shown(
    opening: Opening, people: People, tmp_path: object
) -> None:
    talking = HOLD.replace("echo done >", 'echo "INFO: printed meanwhile" && sleep 3 && echo done >')
    app = push(people.developer, fresh("late"), talking)
    gate = f"{tmp_path}/gate"
    job = draft(people.submitter, app, name=fresh("late"), params={"app": {"until": gate}})
    run(people.submitter, job["id"])
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.goto(f"/console/jobs/{job['id']}/logs")
    with open(gate, "w") as file:
        file.write("go")
    other = opening(people.keys[OURS, UserRole.VIEWER])
    other.goto(f"/console/jobs/{job['id']}/logs")
    while not other.get_by_text("printed meanwhile").count():
        other.reload()
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("[data-log]")).to_contain_text("printed meanwhile", timeout=WAIT_MS)


def test_no_page_of_a_log_is_larger_than_a_megabyte(opening: Opening, people: People) -> None:
    program = """#!/bin/sh
wide=$(head -c 20000 /dev/zero | tr '\\0' '\\001')
for n in $(seq 100); do printf '%s %s\\n' "$n" "$wide"; done
echo the last one
"""
    app = push(people.developer, fresh("wide"), program)
    job = draft(people.submitter, app, name=fresh("wide"))["id"]
    run(people.submitter, job)
    ended(people.submitter, job, deadline_s=60)
    page = opening(people.keys[OURS, UserRole.VIEWER])
    for query in ("", "?end=1"):
        answer = page.goto(f"/console/jobs/{job}/logs{query}")
        assert answer is not None
        assert answer.status == 200
        assert len(answer.body()) < 1_000_000
    assert text_of(page.locator(".log .line").last) == "the last one"
    shown = page.locator(".log .line").count()
    page.get_by_role("button", name="Show earlier lines").click()
    expect(page.locator(".log .line")).not_to_have_count(shown)
