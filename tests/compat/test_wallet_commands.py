"""`fanfold wallet` against a real server, from the first top-up to the proof of the books."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compat.scene import OURS, People, done, draft, push
from tests.compat.server import FANFOLD, Server, json_of

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def people(tmp_path: Path) -> Iterator[People]:
    server = Server(tmp_path / "wallet", slots=2, isolation="off").start()
    try:
        made = People(server)
        yield made
        made.close()
    finally:
        server.stop()


@pytest.fixture
def typed(people: People, tmp_path: Path) -> Typed:
    """Types `fanfold wallet ...` as the administrator of the server's first account."""
    environment = {**os.environ, "FANFOLD_URL": people.server.url, "FANFOLD_API_KEY": people.server.key}

    def type_(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(FANFOLD), "wallet", *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)

    return type_


def said(ran: subprocess.CompletedProcess[str]) -> str:
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.timeout(180)
def test_money_is_given_used_told_and_proved(people: People, typed: Typed) -> None:
    app = push(people.root, "copy-root")
    before = done(people.root, app)
    assert before["paymentAmount"] > 0
    assert "never: this server does not charge" in said(typed("balance"))
    assert said(typed("usage", "--by", "month,account")).count("default") == 1
    by_template = said(typed("usage", "--by", "template,month")).splitlines()
    assert by_template[0].split()[:3] == ["month", "template", "attempts"]
    assert by_template[1].split()[1] == "-", "a job without a template has an empty group, not another's column"

    said(typed("enable", "--yes"))
    said(typed("price", "5000", "--resource", "cpu"))
    said(typed("top-up", OURS, "12.5", "--notes", "May"))
    assert json.loads(said(typed("balance", "--account", OURS, "--json")))["totalBalance"] == 12.5
    assert "May" in said(typed("transactions", "--account", OURS))
    refused = typed("top-up", OURS, "much")
    assert (refused.returncode, "amount" in refused.stderr) == (2, True)

    job = done(people.root, app)
    assert "2 earlier jobs" in said(typed("estimate", draft(people.root, app)["id"]))
    charged = said(typed("transactions", "--job", job["id"], "--csv"))
    assert f"{job['id']}-0.1" in charged
    said(typed("refund", job["id"], "--notes", "sorry"))
    month = job["createdAt"][:7]
    assert f",{month},refund,{job['id']}" in said(typed("invoice", month))

    code = said(typed("coupon", "--make", "3")).strip()
    json_of(people.submitter.post("/v1/wallet/redeem_coupon", json={"couponCode": code}))
    assert code in said(typed("coupon"))
    assert json.loads(said(typed("audit", "--json")))["ok"] is True
    assert "0.00000000" in said(typed("audit"))
