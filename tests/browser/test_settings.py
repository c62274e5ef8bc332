"""The settings page: everybody's own, and for administrators what the server was started with."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from fanfold.jobs.access import UserRole
from fanfold.server.console import shown_settings
from fanfold.settings import Settings
from tests.browser.conftest import Opening
from tests.browser.looking import too_wide, violations
from tests.compat.scene import OURS, People

pytestmark = pytest.mark.timeout(180)


def test_administrators_see_what_the_server_was_started_with(opening: Opening, people: People) -> None:
    for width, dark in ((1280, False), (360, True)):
        page = opening(people.keys[OURS, UserRole.ADMINISTRATOR], width=width, dark=dark)
        page.goto("/console/settings")
        row = page.locator("tr", has=page.get_by_text("requests_per_s", exact=True))
        expect(row.locator("td").nth(1)).to_have_text("100000.0")
        usual = page.locator("tr", has=page.get_by_text("executor", exact=True))
        expect(usual).to_contain_text("the default")
        assert violations(page) == []
        assert not too_wide(page)


def test_others_see_their_own_and_choose_the_colours(opening: Opening, people: People) -> None:
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.get_by_role("link", name="Settings").click()
    expect(page.get_by_role("heading", name="You")).to_be_visible()
    expect(page.locator("main")).to_contain_text("viewer")
    assert not page.get_by_text("slots", exact=True).count()
    page.get_by_label("Colours").select_option("dark")
    page.get_by_role("button", name="Use them").click()
    page.locator("html[data-theme=dark]").wait_for()
    page.wait_for_url("**/console/settings")
    expect(page.get_by_label("Colours")).to_have_value("dark")
    assert violations(page) == []


def test_no_value_of_a_secret_setting_is_shown() -> None:
    canary = "canary-of-settings"
    secret = Settings(database=f"postgresql://u:{canary}@host/x", storage_access_key=canary, storage_secret_key=canary)
    shown = {one.name: one.value for one in shown_settings(secret)}
    assert canary not in str(shown)
    assert (shown["database"], shown["storage_secret_key"], shown["role"]) == ("set", "set", "both")
