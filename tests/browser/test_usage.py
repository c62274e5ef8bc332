"""What was used is drawn and told: in the wallet by month, template, label and account, on a block's page of itself."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from fanfold.jobs.access import UserRole
from tests.browser.conftest import Opening
from tests.browser.looking import of_colour, too_wide, violations
from tests.compat.scene import OURS, THEIRS, People, done, fresh, push
from tests.compat.server import json_of

pytestmark = pytest.mark.timeout(240)

PAINTED = """canvas => { const seen = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return seen.some((value, place) => place % 4 === 3 && value === 255); }"""


def drawn(page: Page) -> dict[str, Any]:
    """The figures of the plot, once it is drawn and something of it can be seen."""
    plot = page.locator("[data-usage][data-drawn=yes]")
    plot.wait_for()
    assert plot.locator("canvas").evaluate(PAINTED)
    return dict(json.loads(plot.get_attribute("data-usage") or ""))


def row(page: Page, name: str) -> Any:
    return page.locator("table.cards tr", has=page.locator("td").first.get_by_text(name, exact=True))


def test_usage_is_drawn_by_what_is_asked_for(opening: Opening, people: People) -> None:
    tag = push(people.developer, fresh("used"))
    label = fresh("</script><b>label")
    params = {"partitioner": {"items": [label, "b"]}}
    done(people.developer, tag, partitioner="list-items", assembler="concat", params=params)
    page = opening(people.keys[OURS, UserRole.VIEWER])
    page.goto("/console/wallet")
    months = drawn(page)["months"]
    assert len(months) == len(set(months)) == 12
    assert sorted(months) == months
    assert drawn(page)["groups"][0]["chips"][-1] > 0
    assert of_colour(page, "[data-usage]", "--accent") > 50
    page.get_by_role("link", name="Template", exact=True).click()
    expect(page.locator("nav[aria-label='Usage by'] [aria-current=page]")).to_have_text("Template")
    assert "without a template" in {group["name"] for group in drawn(page)["groups"]}
    expect(row(page, "without a template")).to_be_visible()
    page.get_by_role("link", name="Label", exact=True).click()
    expect(row(page, label)).to_be_visible()
    assert drawn(page)["groups"]
    assert violations(page) == []
    expect(page.get_by_role("link", name="Account", exact=True)).to_have_count(0)


def test_usage_of_all_accounts_is_for_administrators(opening: Opening, people: People) -> None:
    for account in (OURS, THEIRS):
        people.a_finished_job(account)
    page = opening(people.keys[OURS, UserRole.ADMINISTRATOR])
    page.goto("/console/wallet?by=account")
    for account in (OURS, THEIRS):
        expect(row(page, account)).to_be_visible()
    assert {OURS, THEIRS} <= {group["name"] for group in drawn(page)["groups"]}
    assert violations(page) == []
    page = opening(people.keys[OURS, UserRole.DEVELOPER])
    page.goto("/console/wallet?by=account")
    expect(row(page, THEIRS)).to_have_count(0)
    expect(page.locator("nav[aria-label='Usage by'] [aria-current=page]")).to_have_text("Month")


def test_a_block_tells_what_its_own_runs_cost(opening: Opening, people: People) -> None:
    tag = push(people.developer, fresh("dear"))
    page = opening(people.keys[OURS, UserRole.VIEWER], width=360, dark=True)
    page.goto(f"/console/apps/{tag}")
    expect(page.get_by_text("Nothing was used in the last twelve months.")).to_be_visible()
    job = done(people.developer, tag)
    page.reload()
    cost = Decimal(str(json_of(people.developer.get(f"/v1/customer/jobs/{job['id']}/tasks"))["data"][0]["price"]))
    told = drawn(page)
    month = told["months"][-1] if job["createdAt"].startswith(told["months"][-1]) else told["months"][-2]
    expect(row(page, month)).to_contain_text(f"{cost:.8f}")
    assert not too_wide(page)
    assert violations(page) == []
