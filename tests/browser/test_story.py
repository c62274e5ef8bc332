"""The whole story in a real browser: launch, watch, understand a failure, mend it, fetch the result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from fanfold.jobs.access import UserRole
from tests.browser.conftest import WAIT_MS, Opening
from tests.browser.looking import taken, violations
from tests.compat.scene import HOLD, OURS, People, draft, ended, fresh, push, run
from tests.compat.server import Server

pytestmark = pytest.mark.timeout(240)

BROKEN = """#!/bin/sh
echo "INFO: reads chunk $FANFOLD_CHUNK_INDEX"
case $FANFOLD_CHUNK_INDEX in 1) echo "ERROR: cannot read line 17"; exit 3;; esac
cp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/out.txt"
"""
MENDED = BROKEN.replace("exit 3", "true")


def comes_to(page: Page, word: str) -> None:
    expect(page.locator("#job-head .state").first).to_contain_text(word, timeout=WAIT_MS)


def test_from_the_first_page_to_the_result(opening: Opening, server: Server, pictures: Path | None) -> None:
    page = opening(server.key)
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Run the example").click()
    page.evaluate("window.neverReloaded = true")
    comes_to(page, "complete")
    assert page.evaluate("window.neverReloaded")
    page.reload()
    page.locator("[data-drawn=yes]").wait_for()
    taken(page, pictures, "console-job")
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_role("link", name="0", exact=True).click()
    expect(page.locator(".log")).to_contain_text("different ones")
    page.get_by_role("link", name="Results", exact=True).click()
    name = page.locator("td a.title").first.text_content()
    page.locator("td a.title").first.click()
    expect(page.locator("pre.code")).to_contain_text('"folded"')
    with page.expect_download() as got:
        page.get_by_role("link", name=f"Download {name}").click()
    counts = json.loads(Path(got.value.path()).read_text())
    assert counts["folded"] == 2 * 2000


def test_a_failure_is_found_and_its_group_tried_again_with_a_mended_version(
    opening: Opening, people: People, pictures: Path | None
) -> None:
    name = fresh("reader")
    tag = push(people.developer, name, BROKEN)
    params = {"partitioner": {"items": ["a", "b", "c"]}}
    config = {"maxAttempts": 1, "onFailure": "finish"}
    fields = {"partitioner": "list-items", "assembler": "concat", "params": params, "config": config}
    job = draft(people.submitter, tag, name=fresh("failing"), **fields)
    run(people.submitter, job["id"])
    ended(people.submitter, job["id"], "JOB_STATE_FAILED", deadline_s=60)
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.goto(f"/console/jobs/{job['id']}")
    group = page.locator(".groups li")
    expect(group).to_have_count(1)
    expect(group).to_contain_text("cannot read line 17")
    taken(page, pictures, "console-failure")
    group.get_by_role("link", name="Log").click()
    expect(page.locator(".line.ERROR")).to_contain_text("cannot read line 17")
    page.go_back()
    push(people.developer, name, MENDED, version="0.2")
    page.locator(".groups").get_by_role("link", name="Try these again").click()
    assert violations(page) == []
    page.get_by_label("App").fill(f"{name}@0.2")
    page.get_by_role("button", name="Start the round").click()
    comes_to(page, "complete")
    expect(page.locator("#job-head")).to_contain_text("round 2")


def test_a_file_is_uploaded_and_run(opening: Opening, people: People, tmp_path: Path, pictures: Path | None) -> None:
    app = people.app(OURS)
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.goto(f"/console/new/job?app={app}&partitioner=split-lines&assembler=concat")
    page.get_by_label("Name", exact=True).first.fill(fresh("uploaded"))
    page.get_by_label("lines", exact=True).fill("2")
    taken(page, pictures, "console-new-job")
    page.get_by_role("button", name="Save the draft").click()
    source = tmp_path / "five lines é.txt"
    source.write_text("1\n2\n3\n4\n5\n")
    page.locator("input[type=file]").set_input_files(source)
    page.get_by_role("button", name="Run the job").click()
    comes_to(page, "complete")
    expect(page.locator(".figures")).to_contain_text("3 of 3")


def test_what_the_schema_refuses_is_told_beside_the_field(opening: Opening, people: People) -> None:
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.goto(f"/console/new/job?app={people.app(OURS)}&partitioner=split-lines&assembler=concat")
    page.get_by_label("lines", exact=True).fill("many")
    page.get_by_role("button", name="Save the draft").click()
    field = page.get_by_label("lines", exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("many")
    expect(page.locator("#f-params-partitioner-lines-wrong")).to_contain_text("integer")
    assert violations(page) == []


def test_a_draft_is_estimated_and_changed_before_it_runs(opening: Opening, people: People) -> None:
    people.a_finished_job(OURS)
    params = {"partitioner": {"items": ["a", "b"]}}
    fields = {"partitioner": "list-items", "assembler": "concat", "params": params}
    job = draft(people.submitter, people.app(OURS), name=fresh("draft"), **fields)
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.goto(f"/console/jobs/{job['id']}")
    page.get_by_role("button", name="Estimate").click()
    expect(page.locator("#plan .figures, #plan .notice")).to_be_visible()
    page.get_by_role("link", name="Change the draft").click()
    page.get_by_label("items").fill('["a", "b", "c"]')
    page.get_by_role("button", name="Save and run").click()
    comes_to(page, "complete")
    expect(page.locator(".figures")).to_contain_text("3 of 3")


def test_a_running_job_is_paused_resumed_and_aborted(opening: Opening, people: People) -> None:
    app = people.once("holding app", lambda: push(people.developer, "holding", HOLD))
    job = draft(people.submitter, app, name=fresh("held"), params={"app": {"until": "/nowhere/ever"}})
    run(people.submitter, job["id"])
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.goto(f"/console/jobs/{job['id']}")
    comes_to(page, "partitioned")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#job-head")).to_contain_text("paused")
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("link", name="Abort").click()
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Abort").click()
    assert violations(page) == []
    page.get_by_role("button", name="Abort the job").click()
    comes_to(page, "failed")
    expect(page.locator("#job-head")).to_contain_text("aborted by")


def test_logs_are_followed_and_searched(opening: Opening, people: People, tmp_path: Path) -> None:
    talker = HOLD.replace("for _ in", 'echo "WARNING: one"; echo "ERROR: two"; for _ in').replace(
        "echo done >", 'echo "INFO: three" && echo done >'
    )
    app = people.once("talking app", lambda: push(people.developer, "talking", talker))
    gate = tmp_path / "gate"
    job = draft(people.submitter, app, name=fresh("talking"), params={"app": {"until": str(gate)}})
    run(people.submitter, job["id"])
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.goto(f"/console/jobs/{job['id']}/logs")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("[data-log-told]")).not_to_be_empty()
    gate.write_text("go")
    expect(page.locator("[data-log]")).to_contain_text("three", timeout=WAIT_MS)
    expect(page.locator("[data-log-told]")).to_contain_text("ended", timeout=WAIT_MS)
    page.get_by_label("Text has").fill("TWO")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".line")).to_have_count(1)
    page.get_by_role("button", name="Next error").click()
    expect(page.locator(".line.found")).to_contain_text("two")


def test_secrets_are_stored_never_shown_and_deleted(opening: Opening, people: People) -> None:
    id_, value = fresh("token"), "canary-in-the-console-1f3a"
    page = opening(people.keys[OURS, UserRole.DEVELOPER])
    page.goto("/console/secrets")
    page.get_by_label("Id", exact=True).fill(id_)
    page.get_by_label("Type", exact=True).select_option("other")
    page.get_by_label("Secret value").fill(value)
    page.get_by_role("button", name="Store").click()
    row = page.locator("tr", has_text=id_)
    expect(row).to_be_visible()
    assert value not in page.content()
    row.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete the secret").click()
    expect(page.locator("tr", has_text=id_)).to_have_count(0)


def test_a_key_is_made_shown_once_and_revoked(opening: Opening, people: People) -> None:
    name = fresh("key")
    page = opening(people.keys[OURS, UserRole.DEVELOPER])
    page.goto("/console/keys")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Make the key").click()
    key = page.locator("code.made").text_content()
    assert key
    assert key.startswith("ff_")
    other = opening(key)
    page.goto("/console/keys")
    assert key not in page.content()
    page.get_by_role("link", name=f"Revoke {name}").click()
    page.get_by_role("button", name="Revoke the key").click()
    other.goto("/console/jobs")
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
