"""S1: every route of the description x every role x (own, foreign, made up) id. A route without a row fails."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from fanfold.jobs.access import RIGHTS, Right, UserRole
from tests.compat.description import Operation, operations
from tests.compat.scene import OURS, THEIRS, People, block_of, draft, fresh, job_of, push
from tests.compat.server import json_of

READ, SUBMIT, DEVELOP, ADMINISTER = Right.READ, Right.SUBMIT, Right.DEVELOP, Right.ADMINISTER
ANYBODY = Right.NOTHING

MADE_UP = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Row:
    """Who may call a route, whose id its path holds, and what a call sends.

    `thing` is "" for a route without an id. `job_in_body`: the id is there instead. `server_wide`: what
    administrators reach whosever it is. `calls_out`: a call that is allowed leaves the machine, and is made with an id
    that nothing has.
    """

    right: Right
    thing: str = ""
    body: object = None
    job_in_body: bool = False
    server_wide: bool = False
    calls_out: bool = False


JOB_READ = Row(READ, "job")
JOB_SUBMIT = Row(SUBMIT, "job", {})
APP, ENGINE, TEMPLATE = "app", "engine", "template"
SOURCE = {"dataSource": {"dataSourceDescriptor": "bypass"}}


def _of_job() -> dict[str, Row]:
    rows = {
        f"/v1/customer/jobs/{{job_id}}/{name}": JOB_SUBMIT
        for name in ("pause", "resume", "plan", "retry", "run", "abort")
    }
    found = {f"POST {path}": row for path, row in rows.items()}
    for name, body in (
        ("datasource", SOURCE),
        ("params", {"params": {"app": {}}}),
        ("jobname", {"name": "new"}),
        ("configs", {"maxAttempts": 1}),
        ("uploadcompleted", {}),
    ):
        for method in ("PATCH", "POST"):
            found[f"{method} /v1/customer/jobs/{{job_id}}/{name}"] = Row(SUBMIT, "job", body)
        if name not in ("jobname", "configs"):
            found[f"POST /v1/customer/jobs/{name}/{{job_id}}"] = Row(SUBMIT, "job", body)
    for name in ("run", "abort"):
        found[f"POST /v1/customer/jobs/{name}/{{job_id}}"] = JOB_SUBMIT
    for path in ("", "/results", "/tasks", "/failures", "/estimation", "/logs/download", "/logs/stream"):
        found[f"GET /v1/customer/jobs/{{job_id}}{path}"] = JOB_READ
    found["GET /v1/customer/jobs/estimation/{job_id}"] = JOB_READ
    found["GET /v1/customer/jobs/{job_id}/results/chunks"] = JOB_READ
    for path in ("", "/replay"):
        found[f"GET /v1/customer/jobs/{{job_id}}/tasks/{{task_id}}{path}"] = Row(READ, "task")
    found["PATCH /v1/customer/jobs/{job_id}/limits"] = Row(SUBMIT, "job", {"maxConcurrency": 2})
    found["DELETE /v1/customer/jobs/{job_id}"] = JOB_SUBMIT
    return found


def _of_blocks() -> dict[str, Row]:
    archive = base64.b64encode(block_of("table")).decode()
    engine = base64.b64encode(block_of("table-engine", type="partitioner")).decode()
    found = {}
    for group, thing, data in (("apps", APP, archive), ("engines", ENGINE, engine)):
        path = f"/v1/dev/{group}"
        found[f"POST {path}"] = Row(DEVELOP, body={"archive": data})
        found[f"GET {path}"] = Row(READ)
        found |= {f"GET {path}/{{tag}}{end}": Row(READ, thing) for end in ("", "/status", "/download")}
        verbs = ("activate", "deactivate", "publish", "unpublish", "import")
        found |= {f"POST {path}/{{tag}}/{verb}": Row(DEVELOP, thing) for verb in verbs}
        found[f"DELETE {path}/{{tag}}"] = Row(DEVELOP, thing)
    path = "/v1/dev/templates"
    found |= {f"GET {path}": Row(READ), f"POST {path}": Row(DEVELOP, body={"id": "table", "app": "copy"})}
    found[f"GET {path}/{{template_id}}"] = Row(READ, TEMPLATE)
    found[f"DELETE {path}/{{template_id}}"] = Row(DEVELOP, TEMPLATE)
    verbs = ("publish", "unpublish", "import")
    return found | {f"POST {path}/{{template_id}}/{verb}": Row(DEVELOP, TEMPLATE) for verb in verbs}


SECRET, WEBHOOK = "secret", "webhook"


def _of_secrets() -> dict[str, Row]:
    path = "/v1/auth/secrets"
    new = {"secret": {"id": "one-more", "secretType": "other"}, "secretKey": "one more value"}
    return {
        f"GET {path}": Row(READ),
        f"POST {path}": Row(DEVELOP, body=new),
        f"POST {path}/rotate": Row(ADMINISTER),
        f"DELETE {path}/{{secret_type}}/{{secret_id}}": Row(DEVELOP, SECRET),
        f"POST {path}/{{secret_type}}/{{secret_id}}/grants": Row(DEVELOP, SECRET, {"block": "list-files"}),
        f"DELETE {path}/{{secret_type}}/{{secret_id}}/grants": Row(DEVELOP, SECRET, {"block": "list-files"}),
    }


def _of_webhooks() -> dict[str, Row]:
    path = "/v1/customer/webhooks"
    return {
        f"GET {path}": Row(DEVELOP),
        f"POST {path}": Row(DEVELOP, body={"url": "ftp://nowhere"}),
        f"DELETE {path}/{{webhook_id}}": Row(DEVELOP, WEBHOOK),
        f"GET {path}/{{webhook_id}}/deliveries": Row(DEVELOP, WEBHOOK),
        f"POST {path}/{{webhook_id}}/replay": Row(DEVELOP, WEBHOOK, {}),
        f"POST {path}/{{webhook_id}}/test": Row(DEVELOP, WEBHOOK, calls_out=True),
    }


def _of_access() -> dict[str, Row]:
    accounts, users = "/v1/auth/accounts", "/v1/auth/users"
    return {
        f"GET {accounts}": Row(ADMINISTER),
        f"POST {accounts}": Row(ADMINISTER, body={"name": "one more"}),
        f"GET {accounts}/{{account_id}}": Row(ADMINISTER, "account", server_wide=True),
        f"PATCH {accounts}/{{account_id}}": Row(ADMINISTER, "account", {"name": "same"}, server_wide=True),
        "POST /v1/auth/storage/collect": Row(ADMINISTER, body={"dryRun": True}),
        f"GET {users}": Row(ADMINISTER),
        f"POST {users}": Row(ADMINISTER, body={"accountId": OURS, "name": "one more", "role": "viewer"}),
        f"GET {users}/{{user_id}}": Row(ADMINISTER, "user", server_wide=True),
        f"PATCH {users}/{{user_id}}": Row(ADMINISTER, "user", {"email": ""}, server_wide=True),
        "GET /v1/auth/api_keys": Row(READ),
        "POST /v1/auth/api_keys": Row(DEVELOP, body={"name": "one more"}),
        "POST /v1/auth/api_keys/{key_id}/revoke": Row(DEVELOP, "key", server_wide=True),
        "GET /v1/auth/user": Row(READ),
        "PATCH /v1/auth/user": Row(SUBMIT, body={"email": ""}),
        "GET /v1/auth/audit": Row(DEVELOP),
        "GET /v1/auth/skip": Row(READ),
        "POST /v1/auth/signout": Row(READ),
    }


def _of_wallet() -> dict[str, Row]:
    path = "/v1/wallet"
    reports = ("balance", "status", "transactions", "transactions/csv", "exchange_rate", "usage", "prices")
    return {
        **{f"GET {path}/{name}": Row(READ) for name in reports},
        f"GET {path}/invoice": Row(READ),
        f"POST {path}/transactions/filter": Row(READ, body={}),
        f"POST {path}/redeem_coupon": Row(SUBMIT, body={"couponCode": "x"}),
        f"POST {path}/enable": Row(ADMINISTER, body={}),
        f"POST {path}/top_up": Row(ADMINISTER, body={"accountId": OURS, "amount": 1}),
        f"POST {path}/refund": Row(ADMINISTER, "job", {}, job_in_body=True, server_wide=True),
        f"GET {path}/coupons": Row(ADMINISTER),
        f"POST {path}/coupons": Row(ADMINISTER, body={"amount": "0.5"}),
        f"POST {path}/prices": Row(ADMINISTER, body={"rate": 1}),
        f"POST {path}/prices/{{price_id}}/end": Row(ADMINISTER, "price", server_wide=True),
        f"GET {path}/audit": Row(ADMINISTER),
    }


ROWS: dict[str, Row] = {
    **_of_job(),
    **_of_blocks(),
    **_of_access(),
    **_of_secrets(),
    **_of_webhooks(),
    **_of_wallet(),
    "GET /v1/customer/jobs": Row(READ),
    "POST /v1/customer/jobs": Row(SUBMIT, body={}),
    "POST /v1/customer/jobs/filter": Row(READ, body={}),
    "GET /v1/customer/jobs/templates": Row(READ),
    "POST /v1/customer/jobs/runningTasks": Row(READ, body={}),
    "POST /v1/customer/datasource/test": Row(SUBMIT, body=SOURCE),
    "POST /v1/customer/logs": Row(READ, "job", {}, job_in_body=True),
    "GET /v1/customer/events": Row(READ),
    "GET /v1/customer/stats": Row(READ),
    "GET /v1/customer/wallet/balance": Row(READ),
    "GET /v1/dev/cache/{path}": Row(READ, "cache"),
    "PUT /v1/dev/cache/{path}": Row(DEVELOP, "cache"),
    "DELETE /v1/dev/cache/{path}": Row(DEVELOP, "cache"),
    "POST /v1/auth/access_token": Row(ANYBODY, body={"apiKey": ""}),
    "GET /v1/auth/info": Row(ANYBODY),
    "GET /v1/customer/info": Row(ANYBODY),
    "GET /v1/dev/info": Row(ANYBODY),
    "POST /files/uploads/{job_id}": Row(ANYBODY, "link"),
    "PUT /files/uploads/{job_id}": Row(ANYBODY, "link"),
    "GET /files/results/{job_id}/{round_}/{name}": Row(ANYBODY, "link"),
    "GET /files/archives/{job_id}/{round_}": Row(ANYBODY, "link"),
    "HEAD /files/results/{job_id}/{round_}/{name}": Row(ANYBODY, "link"),
    "GET /health": Row(ANYBODY),
    "GET /ready": Row(ANYBODY),
    "GET /metrics": Row(ANYBODY),
}

ALL = {str(operation): operation for operation in operations()}
WITH_ID = [route for route, row in ROWS.items() if row.thing not in ("", "cache", "link")]
DONE = {False: (200, 400, 409), True: (404,)}
"""How a call that is allowed may end: at an import, with what nobody made public."""


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert sorted(ROWS) == sorted(ALL)


@pytest.mark.parametrize("route", sorted(ALL))
def test_the_description_says_which_routes_need_a_token(route: str) -> None:
    assert ("security" in ALL[route].said) == (ROWS[route].right is not ANYBODY)


@pytest.mark.parametrize("route", sorted(set(ALL) - {"GET /v1/customer/events"}))
def test_nobody_gets_in_without_a_token(people: People, route: str) -> None:
    answer = _sent(people.nobody, route, MADE_UP)
    assert (answer.status_code == 401) == (ROWS[route].right is not ANYBODY), answer.text


@pytest.mark.parametrize("route", sorted(route for route, row in ROWS.items() if row.right is not ANYBODY))
def test_a_role_may_what_its_rights_say_with_its_own(people: People, route: str) -> None:
    row = ROWS[route]
    statuses = {role: _sent_own(people, route, role).status_code for role in UserRole}
    for role, status in statuses.items():
        done = DONE[route.endswith("/import") or row.calls_out]
        assert status in (done if row.right in RIGHTS[role] else (403,)), statuses


@pytest.mark.parametrize("route", sorted(WITH_ID))
def test_a_foreign_id_tells_nothing(people: People, route: str) -> None:
    row = ROWS[route]
    foreign, made_up = _foreign(people, row.thing), _like(row.thing)
    before = _seen(people, row.thing, foreign)
    for role in UserRole:
        if row.server_wide and Right.ADMINISTER in RIGHTS[role]:
            continue  # administrators reach these, whosever they are
        answer = _sent(people.door(role), route, foreign)
        other = _sent(people.door(role), route, made_up)
        assert answer.status_code == (404 if row.right in RIGHTS[role] else 403), answer.text
        assert answer.text.replace(foreign, made_up) == other.text
    assert _seen(people, row.thing, foreign) == before


def test_a_listing_holds_nothing_of_another_account(people: People) -> None:
    theirs = [_foreign(people, thing) for thing in ("job", APP, ENGINE, TEMPLATE, SECRET)]
    for route, row in ROWS.items():
        if route.startswith("GET ") and not row.thing and row.right in (READ, SUBMIT, DEVELOP):
            answer = _sent(people.developer, route, "")
            assert not [name for name in theirs if name in answer.text], route


def test_a_foreign_job_id_in_a_body_tells_nothing(people: People) -> None:
    foreign = _foreign(people, "job")
    counted = json_of(people.viewer.post("/v1/customer/jobs/runningTasks", json={"jobIds": [foreign, MADE_UP]}))
    assert counted == {"jobs": []}
    page = json_of(people.viewer.get("/v1/customer/events", params={"jobId": foreign}))
    assert page["data"] == []


def test_administrators_reach_no_foreign_job(people: People) -> None:
    foreign = _foreign(people, "job")
    assert people.door(UserRole.ADMINISTRATOR).get(f"/v1/customer/jobs/{foreign}").status_code == 404
    assert people.root.get(f"/v1/customer/jobs/{foreign}").status_code == 404


def test_caches_are_an_accounts_own(people: People) -> None:
    name = fresh("file")
    json_of(people.developer.put(f"/v1/dev/cache/{name}", content=b"ours"))
    assert people.developer.get(f"/v1/dev/cache/{name}").content == b"ours"
    assert people.stranger.get(f"/v1/dev/cache/{name}").status_code == 404
    assert people.stranger.delete(f"/v1/dev/cache/{name}").status_code == 404
    assert people.developer.put(f"/v1/dev/cache/{name}?shared=true", content=b"all").status_code == 403


def test_a_signed_link_opens_only_what_it_was_signed_for(people: People) -> None:
    upload = {"dataSource": {"dataSourceDescriptor": "file"}}
    links = [
        urlsplit(draft(people.submitter, people.app(OURS), **upload)["dataSource"]["params"]["tempUrl"]) for _ in "ab"
    ]
    mixed = f"{links[0].path}?{links[1].query}"
    assert people.nobody.put(mixed, content=b"text").status_code in (403, 404)
    for path in (links[0].path, f"{links[0].path}?expires=99999999999&signature={'0' * 64}"):
        assert people.nobody.put(path, content=b"text").status_code in (403, 404)


# ---- how a cell is filled


def _own(people: People, thing: str, role: UserRole) -> str:
    """A new thing of `ours`; a key is the user's own."""
    owner = people.developer
    makers: dict[str, Callable[[], str]] = {
        "": lambda: "",
        "job": lambda: str(draft(owner, people.app(OURS))["id"]),
        "task": lambda: people.a_finished_job(OURS),
        APP: lambda: push(owner, fresh("app")),
        ENGINE: lambda: push(owner, fresh("engine"), group="engine"),
        TEMPLATE: lambda: _template(owner),
        SECRET: lambda: _secret(owner),
        WEBHOOK: lambda: _webhook(owner),
        "key": lambda: _key(people, people.ids[OURS, role]),
        "account": lambda: OURS,
        "user": lambda: people.ids[OURS, UserRole.VIEWER],
        "price": lambda: _price(people),
        "cache": lambda: _cached(owner),
    }
    return makers[thing]()


def _foreign(people: People, thing: str) -> str:
    """A thing of `theirs`, always the same: no test can change it."""
    owner = people.stranger
    makers: dict[str, Callable[[], str]] = {
        "job": lambda: str(draft(owner, people.app(THEIRS))["id"]),
        "task": lambda: people.a_finished_job(THEIRS),
        APP: lambda: push(owner, "their-app"),
        ENGINE: lambda: push(owner, "their-engine", group="engine"),
        TEMPLATE: lambda: _template(owner),
        SECRET: lambda: _secret(owner),
        WEBHOOK: lambda: _webhook(owner),
        "key": lambda: _key(people, people.ids[THEIRS, UserRole.DEVELOPER]),
        "account": lambda: THEIRS,
        "user": lambda: people.ids[THEIRS, UserRole.VIEWER],
        "price": lambda: _price(people),
    }
    return people.once(f"foreign {thing}", makers[thing])


def _template(owner: httpx.Client) -> str:
    name = fresh("template")
    json_of(owner.post("/v1/dev/templates", json={"id": name, "app": "copy"}))
    return name


def _secret(owner: httpx.Client) -> str:
    name = fresh("secret")
    wanted = {"secret": {"id": name, "secretType": "other"}, "secretKey": "what nobody may see"}
    json_of(owner.post("/v1/auth/secrets", json=wanted))
    return name


def _webhook(owner: httpx.Client) -> str:
    made: Any = json_of(owner.post("/v1/customer/webhooks", json={"url": "https://1.1.1.1/never"}))
    return str(made["webhook"]["id"])


def _price(people: People) -> str:
    made: Any = json_of(people.root.post("/v1/wallet/prices", json={"rate": 1}))
    return str(made["price"]["id"])


def _key(people: People, user_id: str) -> str:
    made: Any = json_of(people.root.post("/v1/auth/api_keys", json={"name": "theirs", "userId": user_id}))
    return str(made["apiKey"]["id"])


def _cached(owner: httpx.Client) -> str:
    name = fresh("cached")
    json_of(owner.put(f"/v1/dev/cache/{name}", content=b"text"))
    return name


def _like(thing: str) -> str:
    """An id that nothing has, in the form of one that something has."""
    return "made-up@0.1" if thing in (APP, ENGINE) else "made-up" if thing in (TEMPLATE, SECRET) else MADE_UP


def _sent_own(people: People, route: str, role: UserRole) -> httpx.Response:
    """The call of a route about the caller's own thing, with a token of its own where it may end with the call."""
    row = ROWS[route]
    allowed = row.right in RIGHTS[role] and not row.calls_out
    identity = _own(people, row.thing, role) if allowed else MADE_UP
    if "signout" not in route:
        return _sent(people.door(role), route, identity)
    with people.server.door(people.keys[OURS, role]) as door:
        return _sent(door, route, identity)


def _sent(door: httpx.Client, route: str, identity: str) -> httpx.Response:
    """The call of a route about one thing."""
    row, operation = ROWS[route], ALL[route]
    body = {**row.body, "jobId": identity} if row.job_in_body and isinstance(row.body, dict) else row.body
    return door.request(operation.method, _path(operation, identity), json=body)


def _path(operation: Operation, identity: str) -> str:
    path = operation.path.replace("{task_id}", f"{identity}-0").replace("{round_}", "1").replace("{name}", "x")
    path = path.replace("{secret_type}", "other")
    for name in (
        "price_id",
        "job_id",
        "tag",
        "template_id",
        "key_id",
        "secret_id",
        "webhook_id",
        "account_id",
        "user_id",
        "path",
    ):
        path = path.replace(f"{{{name}}}", identity)
    return path


def _seen(people: People, thing: str, identity: str) -> object:
    """A thing as its owner sees it."""
    if thing in ("job", "task"):
        return job_of(people.stranger, identity)
    if thing == "key":
        return json_of(people.root.get("/v1/auth/api_keys", params={"userId": people.ids[THEIRS, UserRole.DEVELOPER]}))
    if thing == "price":
        return json_of(people.root.get("/v1/wallet/prices"))
    if thing == SECRET:
        return json_of(people.stranger.get("/v1/auth/secrets"))
    if thing == WEBHOOK:
        return json_of(people.stranger.get("/v1/customer/webhooks"))
    door = people.root if thing in ("account", "user") else people.stranger
    group = "auth" if thing in ("account", "user") else "dev"
    return json_of(door.get(f"/v1/{group}/{thing}s/{identity}"))
