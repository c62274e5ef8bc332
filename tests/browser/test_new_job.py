"""A new job as a person makes it: what is missing is told where it is missing, in words of the page."""

from __future__ import annotations

import base64
import json

import pytest
from playwright.sync_api import Page, expect

from fanfold.jobs.access import UserRole
from tests.browser.conftest import WAIT_MS, Opening
from tests.browser.looking import too_wide, violations
from tests.compat.scene import COPY, OURS, People, archive_of, draft, fresh
from tests.compat.server import json_of

pytestmark = pytest.mark.timeout(240)

SCHEMA = {
    "type": "object",
    "required": ["mode", "box"],
    "properties": {
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "level": {"type": "integer", "maximum": 9, "default": 3},
        "ids": {"type": "array", "items": {"type": "integer"}},
        "points": {"type": "array", "items": {"type": "object", "required": ["x"]}},
        "box": {
            "type": "object",
            "required": ["width"],
            "properties": {
                "width": {"type": "integer", "minimum": 1},
                "unit": {"type": "object", "required": ["of"], "properties": {"of": {"type": "string"}}},
            },
        },
    },
}
DROPPED = (
    "() => { const held = new DataTransfer(); held.items.add(new File(['1\\n2\\n'], 'two <b>.txt')); return held; }"
)


@pytest.fixture(scope="session")
def asking(people: People) -> str:
    """An app with params of many kinds."""
    name = fresh("asking")
    manifest = {"name": name, "version": "0.1", "entrypoint": "main.sh", "platform": "process"}
    files = {"app/main.sh": COPY, "manifest.json": json.dumps(manifest), "schema.json": json.dumps(SCHEMA)}
    archive = base64.b64encode(archive_of(files)).decode()
    json_of(people.developer.post("/v1/dev/apps", json={"archive": archive}))
    json_of(people.developer.post(f"/v1/dev/apps/{name}@0.1/activate"))
    return f"{name}@0.1"


def wrong(page: Page, param: str) -> str:
    """What is told beside a field."""
    return page.locator(f"#f-params-app-{param}-wrong").text_content() or ""


def test_what_is_missing_or_wrong_is_told_beside_its_own_field(opening: Opening, people: People, asking: str) -> None:
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.goto(f"/console/new/job?app={asking}&partitioner=split-lines&assembler=concat")
    expect(page.get_by_label("level")).to_have_value("3")
    expect(page.locator("#f-params-app-points-help")).to_contain_text("JSON")
    page.get_by_label("level").fill("77")
    page.get_by_label("ids").fill("1\nx")
    page.get_by_label("points").fill('[{"y": 1}]')
    page.get_by_role("button", name="Save the draft").click()
    notice = page.get_by_role("alert")
    expect(notice).to_be_focused()
    assert wrong(page, "mode") == "✕ is needed"
    assert "maximum of 9" in wrong(page, "level")
    assert '"x" is not' in wrong(page, "ids")
    assert '"x" is a required' in wrong(page, "points")
    expect(page.get_by_label("mode")).to_have_attribute("aria-invalid", "true")
    assert (notice.text_content() or "").count("maximum of 9") == 1, "said twice"
    assert violations(page) == []
    page.get_by_label("mode").select_option("fast")
    page.get_by_label("level").fill("9")
    page.get_by_label("ids").fill("1\n2")
    page.get_by_label("points").fill("")
    page.get_by_role("button", name="Save the draft").click()
    assert wrong(page, "box-width") == "✕ is needed"
    page.get_by_label("width").fill("4")
    page.get_by_role("button", name="Save the draft").click()
    page.get_by_role("link", name="Details").click()
    expect(page.locator("pre.code")).to_contain_text('"width": 4')


def test_a_draft_asks_for_its_file_and_remembers_it(opening: Opening, people: People) -> None:
    fields = {"partitioner": "split-lines", "assembler": "concat", "dataSource": {"dataSourceDescriptor": "file"}}
    params = {"partitioner": {"lines": 1}}
    job = draft(people.submitter, people.app(OURS), name=fresh("file"), params=params, **fields)["id"]
    page = opening(people.keys[OURS, UserRole.SUBMITTER], width=360)
    page.goto(f"/console/jobs/{job}")
    page.get_by_role("button", name="Estimate").click()
    expect(page.locator("#plan")).to_contain_text("choose a file first")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("choose a file first")
    assert "PUT" not in (page.get_by_role("alert").text_content() or "")
    page.dispatch_event("[data-drop]", "drop", {"dataTransfer": page.evaluate_handle(DROPPED)})
    expect(page.locator("#upload")).to_contain_text("The file is here", timeout=WAIT_MS)
    page.goto(f"/console/jobs/{job}")
    expect(page.locator("main")).to_contain_text("two <b>.txt, 4 B, was uploaded")
    assert not page.locator("[data-drop]").count()
    assert violations(page) == []
    assert not too_wide(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#job-head .state").first).to_contain_text("complete", timeout=WAIT_MS)
    expect(page.locator(".figures")).to_contain_text("2 of 2")


def test_a_source_is_tried_before_anything_runs(opening: Opening, people: People) -> None:
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    page.goto(f"/console/new/job?app={people.app(OURS)}&partitioner=split-lines&assembler=concat")
    source = page.locator("section", has=page.get_by_role("heading", name="Input"))
    expect(source.get_by_role("button", name="Try it now")).to_be_hidden()
    source.get_by_label("From").select_option("url")
    source.get_by_label("Address").fill("http://127.0.0.1:9/nothing")
    source.get_by_role("button", name="Try it now").click()
    tried = source.locator(".tried")
    expect(tried).to_contain_text("loopback", timeout=WAIT_MS)
    expect(tried.locator("li")).to_have_count(1)
    assert violations(page) == []
