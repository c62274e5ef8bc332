"""S8: whatever programs and strangers write is shown as text, everywhere."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Page

from fanfold.jobs.access import UserRole
from tests.browser.conftest import Opening
from tests.compat.console import Browser
from tests.compat.scene import OURS, People, draft, ended, push, run
from tests.compat.server import Server, json_of

pytestmark = pytest.mark.timeout(240)

PAYLOADS = [
    "<script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1>",
    "<svg><script>window.pwned=1</script></svg>",
    '"><script>window.pwned=1</script>',
    "'><script>window.pwned=1</script>",
    '" onmouseover=window.pwned=1 autofocus onfocus=window.pwned=1 x="',
    "' onfocus='window.pwned=1' autofocus='",
    "javascript:window.pwned=1",
    "</title><script>window.pwned=1</script>",
    "</textarea><script>window.pwned=1</script>",
    "</option></select><script>window.pwned=1</script>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "<a href=javascript:window.pwned=1>x</a>",
    "<base href=//example.org/>",
    "<meta http-equiv=refresh content='0;url=//example.org'>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=//example.org/x.css>",
    "<form action=//example.org><input name=csrf></form>",
    "<div hx-get=/console/sign-out hx-trigger=load></div>",
    "<div hx-on::load=window.pwned=1></div>",
    "<template><script>window.pwned=1</script></template>",
    "{{ 7 * 7 }}{% include 'base.html' %}",
    "${window.pwned=1}`${window.pwned=1}`",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "&#60;script&#62;window.pwned=1&#60;/script&#62;",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.pwned=1>",
    "\u202e<script>window.pwned=1</script>\u202c",
    "\u2028<script>window.pwned=1</script>",
    "<!--<script>window.pwned=1</script>-->",
    "<![CDATA[<script>window.pwned=1</script>]]>",
]
ECHO = """#!/usr/bin/env python3
import json, os, pathlib, sys
params = json.loads(os.environ["APP_PARAMS"])
index = int(os.environ["FANFOLD_CHUNK_INDEX"])
for text in params["texts"]:
    print(text.replace("\\u2028", " "))
print("x" * 1_000_000)
name = params["texts"][index].replace("/", "_").replace("\\u2028", "_")[:120]
pathlib.Path(os.environ["TASK_RESULTS_DIR"], name + ".txt").write_text(params["texts"][index])
if index == 1:
    sys.exit(params["texts"][0])
"""


def hostile_job(people: People) -> tuple[str, str]:
    """A job of hostile texts that failed, and one that came to its end."""
    app = people.once("echo", lambda: push(people.developer, "echo", ECHO))
    made = []
    for count, state in ((len(PAYLOADS), "JOB_STATE_FAILED"), (1, "JOB_STATE_COMPLETE")):
        params = {"partitioner": {"items": PAYLOADS[:count]}, "app": {"texts": PAYLOADS}}
        fields = {"partitioner": "list-items", "assembler": "zip", "params": params}
        config = {"maxAttempts": 1, "onFailure": "finish"}
        name = PAYLOADS[5] + PAYLOADS[28]
        job = draft(people.submitter, app, name=name, description=PAYLOADS[6], config=config, **fields)
        run(people.submitter, job["id"])
        ended(people.submitter, job["id"], state, deadline_s=120)
        made.append(job["id"])
    return made[0], made[1]


def untouched(page: Page) -> list[str]:
    """What a text managed to do to a page."""
    done = page.evaluate(
        """() => [
          ...(window.pwned ? ["a script ran"] : []),
          ...[...document.querySelectorAll("main script, main iframe, base, main meta, main style, main math")]
            .map((one) => `an element was made: ${one.outerHTML.slice(0, 200)}`),
          ...[...document.querySelectorAll("*")]
            .filter((one) => [...one.attributes].some((a) => a.name.startsWith("on")))
            .map((one) => `a handler in ${one.outerHTML.slice(0, 200)}`),
          ...[...document.querySelectorAll("main a[href^='javascript' i]")].map(() => "a javascript link"),
          ...(document.querySelector("[hx-get='/console/sign-out']") ? ["an order to htmx"] : []),
        ]"""
    )
    return [f"{page.url}: {one}" for one in done]


def test_hostile_texts_of_a_job_are_shown_as_text(opening: Opening, people: People) -> None:
    failed, complete = hostile_job(people)
    page = opening(people.keys[OURS, UserRole.SUBMITTER])
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    found = []
    for path in (
        "/jobs",
        *(f"/jobs/{failed}{part}" for part in ("", "/tasks", "/tasks/1", "/logs", "/retry", "/details", "/delete")),
        *(f"/jobs/{complete}{part}" for part in ("", "/results", "/logs")),
        f"/new/job?like={failed}",
    ):
        page.goto(f"/console{path}")
        found += untouched(page)
    assert not found, "\n".join(found)
    assert not dialogs
    page.goto(f"/console/jobs/{failed}")
    assert PAYLOADS[5] in (page.locator("h1").text_content() or "")
    assert "⟨U+202E⟩" in (page.locator("h1").text_content() or "")
    page.goto(f"/console/jobs/{failed}/logs?chunk=0")
    shown = page.locator(".log").text_content() or ""
    assert all(
        re.sub("[\u202e\u202c\u2028]", "", text) in re.sub("⟨U\\+20..⟩|\u2028| (?=<script>)", "", shown)
        for text in PAYLOADS[:24]
    )


def test_hostile_texts_in_an_address_are_shown_as_text(opening: Opening, people: People) -> None:
    job = people.a_finished_job(OURS)
    page = opening(people.keys[OURS, UserRole.DEVELOPER])
    found = []
    for text in PAYLOADS[:14]:
        for path in (
            "/jobs?name=",
            "/jobs?order=",
            f"/jobs/{job}/logs?find=",
            f"/jobs/{job}/logs?after=",
            "/new/job?app=",
        ):
            page.goto(f"/console{path}{text.replace('&', '%26').replace('#', '%23')}&done={text[:20]}")
            found += untouched(page)
    assert not found, "\n".join(found)


def test_hostile_names_of_what_an_account_keeps_are_shown_as_text(server: Server, people: People) -> None:
    root = people.root
    for text in PAYLOADS[:8]:
        json_of(root.post("/v1/auth/users", json={"accountId": "theirs", "name": text, "role": "viewer"}))
        json_of(root.post("/v1/auth/api_keys", json={"name": text}))
    template = {
        "id": "hostile",
        "description": "".join(PAYLOADS[:8]),
        "app": "x",
        "params": {"app": {"t": PAYLOADS[0]}},
    }
    json_of(root.post("/v1/dev/templates", json=template))
    json_of(root.put(f"/v1/dev/cache/{'%3Cimg src=x onerror=1%3E.txt'}", content=b"x"))
    with Browser(server, server.key) as browser:
        for path in (
            "/people",
            "/keys",
            "/templates",
            "/templates/hostile",
            "/template?of=hostile",
            "/new",
            "/cache",
            "/audit",
        ):
            text = browser.page(path)
            assert "<script>window" not in text
            assert "<img src=x" not in text
            assert "<svg onload" not in text


def test_an_html_result_is_never_opened_as_a_page(server: Server, people: People) -> None:
    writer = ECHO.replace('name + ".txt"', '"page.html"').replace('x" * 1_000_000', 'x"')
    app = people.once("html", lambda: push(people.developer, "html", writer))
    params = {"partitioner": {"items": ["a"]}, "app": {"texts": ["<script>window.pwned=1</script>"]}}
    fields = {"partitioner": "list-items", "assembler": "concat", "params": params}
    job = draft(people.submitter, app, **fields)
    run(people.submitter, job["id"])
    ended(people.submitter, job["id"], deadline_s=60)
    results: list[dict[str, str]] = json_of(people.submitter.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
    headers = people.submitter.get(results[0]["link"]).headers
    assert headers["content-disposition"].startswith("attachment")
    assert "sandbox" in headers["content-security-policy"]
    with Browser(server, people.keys[OURS, UserRole.VIEWER]) as browser:
        text = browser.page(f"/jobs/{job['id']}/results?file={results[0]['name']}")
    assert "&lt;script&gt;window.pwned=1" in text
    assert json.dumps("<script>window.pwned") not in text
