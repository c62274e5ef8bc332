"""Money through a server's door: balances, estimates, charges, coupons, refunds, reports, quotas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from fanfold.jobs.access import UserRole
from tests.compat.console import Browser
from tests.compat.scene import HOLD, OURS, THEIRS, People, done, draft, ended, fresh, push
from tests.compat.server import Server, json_of, until

JOBS, WALLET = "/v1/customer/jobs", "/v1/wallet"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Two accounts on a server that charges; chips are dear there, so that short programs cost something."""
    server = Server(
        tmp_path_factory.mktemp("wallet"), slots=2, isolation="off", chip_usd=0.5, test_max_chunks=7
    ).start()
    try:
        made = People(server)
        json_of(made.root.post(f"{WALLET}/enable", json={"enabled": True}))
        json_of(made.root.post(f"{WALLET}/prices", json={"rate": "1000000"}))
        yield made
        audit = json_of(made.root.get(f"{WALLET}/audit"))
        assert (audit["ok"], audit["sum"], audit["faults"]) == (True, "0.00000000", [])
        made.close()
    finally:
        server.stop()


def topped_up(people: People, amount: object = "100000", account: str = OURS, **headers: str) -> dict[str, Any]:
    body = {"accountId": account, "amount": amount, "notes": "=HYPERLINK()"}
    return json_of(people.root.post(f"{WALLET}/top_up", json=body, headers=headers))


def balance(door: httpx.Client) -> dict[str, Any]:
    return json_of(door.get(f"{WALLET}/balance"))


def app(people: People, account: str = OURS) -> str:
    return people.app(account)


def test_the_first_account_is_not_limited_and_others_are(people: People) -> None:
    assert json_of(people.root.get(f"{WALLET}/status"))["limited"] is False
    assert json_of(people.developer.get(f"{WALLET}/status"))["limited"] is True


def test_a_job_that_the_balance_does_not_cover_is_refused_with_the_numbers(people: People) -> None:
    job = draft(people.stranger, app(people, THEIRS))
    refused = people.stranger.post(f"{JOBS}/{job['id']}/run", json={})
    assert refused.status_code == 400
    assert "0.00000000 chips are available and it is estimated at" in refused.json()["message"]
    assert json_of(people.stranger.get(f"{JOBS}/{job['id']}"))["job"]["state"] == "JOB_STATE_NEW"


def test_a_job_is_charged_what_its_attempts_cost_and_refunded(people: People) -> None:
    topped_up(people)
    before = balance(people.developer)["totalBalance"]
    job = done(people.developer, app(people))
    assert job["state"] == "JOB_STATE_COMPLETE", job["errorMessage"]
    assert job["paymentAmount"] > 0
    assert int(job["numUnitsEstimation"]) > 0
    after = balance(people.developer)
    assert after["totalBalance"] == after["availableBalance"]
    assert after["totalBalance"] == pytest.approx(before - job["paymentAmount"])

    found = json_of(people.developer.post(f"{WALLET}/transactions/filter", json={"jobId": job["id"]}))["data"]
    assert {line["transactionType"] for line in found} == {"hold", "release", "charge"}
    charged = [line for line in found if line["transactionType"] == "charge"]
    assert sum(Decimal(line["transactionData"]["amount"]) for line in charged) == paid(people, job["id"])
    tasks = json_of(people.developer.get(f"{JOBS}/{job['id']}/tasks"))["data"]
    assert [task["price"] > 0 for task in tasks] == [True]

    refund = json_of(people.root.post(f"{WALLET}/refund", json={"jobId": job["id"], "amount": "0.01"}))
    assert refund["amount"] == "0.01000000"
    too_much = people.root.post(f"{WALLET}/refund", json={"jobId": job["id"], "amount": 10**8})
    assert too_much.status_code == 400
    json_of(people.root.post(f"{WALLET}/refund", json={"jobId": job["id"]}))
    assert balance(people.developer)["totalBalance"] == pytest.approx(before)


def paid(people: People, job_id: str) -> Decimal:
    found = json_of(people.developer.get(f"{JOBS}/{job_id}"))["job"]["paymentAmount"]
    return Decimal(str(found)).quantize(Decimal("1e-8"))


def test_an_estimate_is_by_size_first_and_then_by_history(people: People) -> None:
    topped_up(people)
    name = push(people.developer, fresh("estimated"))
    job = draft(people.developer, name)
    first = json_of(people.developer.get(f"{JOBS}/{job['id']}/estimation"))["estimation"]
    assert (first["basis"], first["runsSeen"]) == ("default", 0)
    assert int(first["totalEstimation"]) >= Decimal(first["estimatedCost"]) > 0
    ran = done(people.developer, name)
    then = json_of(people.developer.get(f"{JOBS}/{job['id']}/estimation"))["estimation"]
    assert (then["basis"], then["runsSeen"]) == ("history", 1)
    assert Decimal(then["low"]) < Decimal(then["estimatedCost"]) < Decimal(then["high"])
    assert float(then["estimatedCost"]) == pytest.approx(ran["paymentAmount"])


def test_a_top_up_with_a_key_is_booked_once(people: People) -> None:
    before = balance(people.developer)["totalBalance"]
    for _ in range(3):
        topped_up(people, 5, **{"Idempotency-Key": "once"})
    assert balance(people.developer)["totalBalance"] == pytest.approx(before + 5)
    other = people.root.post(
        f"{WALLET}/top_up", json={"accountId": OURS, "amount": 6}, headers={"Idempotency-Key": "once"}
    )
    assert other.status_code == 409


@pytest.mark.parametrize(
    "amount", ["-1", 0, "1e99", "NaN", "x", "0.000000001", None, [], True, 10**10, "0x1", "1_0", "１０"]
)
def test_an_amount_that_is_none_is_refused(people: People, amount: object) -> None:
    answer = people.root.post(f"{WALLET}/top_up", json={"accountId": OURS, "amount": amount})
    assert answer.status_code == 400, answer.text


def test_nobody_tops_up_an_account_that_is_not_there(people: People) -> None:
    assert people.root.post(f"{WALLET}/top_up", json={"accountId": "nobody", "amount": 1}).status_code == 404


def test_a_coupon_is_credited_once_to_each_account(people: People) -> None:
    coupon = json_of(people.root.post(f"{WALLET}/coupons", json={"amount": "2.5", "uses": 2}))["coupon"]
    before = balance(people.submitter)["totalBalance"]
    json_of(people.submitter.post(f"{WALLET}/redeem_coupon", json={"couponCode": f" {coupon['code']} "}))
    assert balance(people.submitter)["totalBalance"] == pytest.approx(before + 2.5)
    again = people.developer.post(f"{WALLET}/redeem_coupon", json={"couponCode": coupon["code"]})
    assert (again.status_code, "already" in again.text) == (400, True)
    listed = json_of(people.root.get(f"{WALLET}/coupons"))["coupons"]
    assert next(one for one in listed if one["code"] == coupon["code"])["used"] == 1


@pytest.mark.parametrize(
    "wrong", [{"code": "short"}, {"code": "with space 1"}, {"uses": 0}, {"uses": 10**9}, {"amount": "-3"}]
)
def test_a_coupon_that_is_none_is_refused(people: People, wrong: dict[str, object]) -> None:
    answer = people.root.post(f"{WALLET}/coupons", json={"amount": 1} | wrong)
    assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    "wrong",
    [
        *({"rate": rate} for rate in (-1, "1e7", "nan", None)),
        {"rate": 1, "resource": "disk"},
        {"rate": 1, "validFrom": "2001-01-01T00:00:00Z"},
        {"rate": 1, "validFrom": "2131-01-01T00:00:00Z", "validUntil": "2130-01-01T00:00:00Z"},
    ],
)
def test_a_price_that_is_none_is_refused(people: People, wrong: dict[str, object]) -> None:
    answer = people.root.post(f"{WALLET}/prices", json=wrong)
    assert answer.status_code == 400, answer.text


def test_money_of_other_accounts_is_for_administrators(people: People) -> None:
    for path in ("balance", "transactions", "transactions/csv", "usage", "invoice?month=2031-05"):
        for account in (THEIRS, "*"):
            asked = people.developer.get(f"{WALLET}/{path}", params={"accountId": account, "month": "2031-05"})
            assert asked.status_code == 403, path
            assert people.root.get(f"{WALLET}/{path}", params={"accountId": account, "month": "2031-05"}).is_success, (
                path
            )


def test_csv_holds_no_formulas(people: People) -> None:
    topped_up(people, 1)
    text = people.developer.get(f"{WALLET}/transactions/csv").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["notes"] for row in rows if "HYPERLINK" in row["notes"]} == {"'=HYPERLINK()"}
    assert [int(row["id"]) for row in rows] == sorted(int(row["id"]) for row in rows)
    assert all(Decimal(row["amount"]) > 0 for row in rows)


def test_an_invoice_tells_a_month_job_by_job(people: People) -> None:
    topped_up(people)
    job = done(people.developer, app(people))
    month = job["createdAt"][:7]
    rows = list(csv.DictReader(io.StringIO(people.developer.get(f"{WALLET}/invoice", params={"month": month}).text)))
    mine = next(row for row in rows if row["job"] == job["id"] and row["what"] == "charge")
    assert Decimal(mine["chips"]) == paid(people, job["id"])
    charges = sum(Decimal(row["chips"]) for row in rows if row["what"] == "charge")
    refunds = sum(Decimal(row["chips"]) for row in rows if row["what"] == "refund")
    assert Decimal(rows[-1]["chips"]) == charges - refunds
    for wrong in ("2031", "2031-13", "", "x", "２０３１-05"):
        assert people.developer.get(f"{WALLET}/invoice", params={"month": wrong}).status_code == 400


def test_usage_is_told_by_template_and_month(people: People) -> None:
    topped_up(people)
    job = done(people.developer, app(people))
    found = json_of(people.developer.get(f"{WALLET}/usage", params={"by": "month,account,template,label"}))["usage"]
    assert {line["accountId"] for line in found} == {OURS}
    assert job["createdAt"][:7] in {line["month"] for line in found}
    assert all(Decimal(line["cost"]) > 0 and line["programSeconds"] > 0 for line in found)
    assert people.developer.get(f"{WALLET}/usage", params={"by": "colour"}).status_code == 400
    far = {"by": "month", "from": "0001-01-01T00:00:00Z"}
    assert people.developer.get(f"{WALLET}/usage", params=far).status_code == 400


def test_a_test_job_is_free_and_small(people: People) -> None:
    job = draft(people.stranger, app(people, THEIRS), config={"isTestJob": True})
    json_of(people.stranger.post(f"{JOBS}/{job['id']}/run", json={}))
    until("it ends", lambda: json_of(people.stranger.get(f"{JOBS}/{job['id']}"))["job"]["endedAt"])
    told = json_of(people.stranger.get(f"{JOBS}/{job['id']}"))["job"]
    assert told["state"] == "JOB_STATE_COMPLETE", told["errorMessage"]
    assert told["paymentAmount"] == 0


def test_a_quota_of_requests_holds_in_the_console_too(people: People) -> None:
    path = f"/v1/auth/accounts/{OURS}"
    with Browser(people.server, people.keys[OURS, UserRole.VIEWER]) as browser:
        try:
            json_of(people.root.patch(path, json={"quotas": {"requestsPerS": 1}}))
            refused = [page for _ in range(30) if (page := browser.get("/console/wallet")).status_code == 429]
            assert "1 requests a second (requestsPerS)" in refused[0].text
        finally:
            json_of(people.root.patch(path, json={"quotas": {}}))


def test_quotas_of_jobs_and_requests_are_refused_with_numbers(people: People, tmp_path: Path) -> None:
    topped_up(people)
    held = push(people.developer, fresh("held"), HOLD)
    params = {"params": {"app": {"until": str(tmp_path / "go")}}}
    one, two = (draft(people.developer, held, **params) for _ in "ab")
    path = f"/v1/auth/accounts/{OURS}"
    try:
        json_of(people.root.patch(path, json={"quotas": {"queuedJobs": 1}}))
        json_of(people.developer.post(f"{JOBS}/{one['id']}/run", json={}))
        refused = people.developer.post(f"{JOBS}/{two['id']}/run", json={})
        assert refused.status_code == 400
        assert "1 unfinished jobs and may have 1 (queuedJobs)" in refused.json()["message"]
        json_of(people.root.patch(path, json={"quotas": {"requestsPerS": 1}}))
        statuses = [people.viewer.get(f"{WALLET}/balance") for _ in range(30)]
        late = [answer for answer in statuses if answer.status_code == 429]
        assert late
        assert "1 requests a second (requestsPerS)" in late[0].json()["message"]
        assert int(late[0].headers["Retry-After"]) >= 1
    finally:
        json_of(people.root.patch(path, json={"quotas": {}}))
        (tmp_path / "go").touch()
        ended(people.developer, one["id"])  # it still costs something
