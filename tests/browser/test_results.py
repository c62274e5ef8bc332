"""What a job left is shown as what it is: a table, JSON, text, a picture, a film; what is none of these is not."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from fanfold.jobs.access import UserRole
from tests.browser.conftest import Opening
from tests.browser.looking import too_wide, violations
from tests.compat.scene import OURS, People, done, fresh, push

pytestmark = pytest.mark.timeout(180)

LEAVING = r"""#!/usr/bin/env python3
import os, pathlib, struct, zlib
out = pathlib.Path(os.environ["TASK_RESULTS_DIR"])
def part(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
rows = b"".join(b"\0" + b"\x10\x20\x30" * 3 for _ in range(2))
head = struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)
png = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")
(out / "picture.png").write_bytes(png)
(out / "table.csv").write_text('name,note\nfirst,"a, b"\nsecond,<b>bold</b>\n')
(out / "data.json").write_text('{"a": [1, {"b": null}]}')
(out / "read me é.txt").write_text("plain text")
(out / "page.html").write_text("<h1>not a page</h1>")
(out / "film.webm").write_bytes(b"\x1a\x45\xdf\xa3 no film at all")
(out / "raw.bin").write_bytes(b"\0\1\2")
"""


def looked_at(page: Page, name: str) -> None:
    """Open the preview of a file by its link."""
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def test_each_kind_of_file_is_shown_as_what_it_is(opening: Opening, people: People) -> None:
    app = push(people.developer, fresh("leaving"), LEAVING)
    job = done(people.submitter, app, name=fresh("leaving"), assembler="passthrough")["id"]
    page = opening(people.keys[OURS, UserRole.VIEWER], width=360)
    page.goto(f"/console/jobs/{job}/results")
    shown = page.locator("#preview")
    looked_at(page, "table.csv")
    expect(shown.locator("th")).to_have_text(["name", "note"])
    expect(shown.locator("td")).to_have_text(["first", "a, b", "second", "<b>bold</b>"])
    assert violations(page) == []
    assert not too_wide(page)
    looked_at(page, "data.json")
    expect(shown.locator("pre")).to_contain_text('"b": null')
    looked_at(page, "read me é.txt")
    expect(shown.locator("pre")).to_have_text("plain text")
    looked_at(page, "page.html")
    expect(shown.locator("pre")).to_have_text("<h1>not a page</h1>")
    looked_at(page, "raw.bin")
    expect(shown).to_contain_text("neither text nor a picture")
    looked_at(page, "picture.png")
    picture = shown.get_by_role("img")
    expect(picture).to_have_js_property("naturalWidth", 3)
    assert violations(page) == []
    looked_at(page, "film.webm")
    film = shown.locator("video")
    kind = film.evaluate("async (it) => (await fetch(it.src)).headers.get('content-type')")
    assert kind == "video/webm"
    page.go_back()
    expect(picture).to_be_visible()
