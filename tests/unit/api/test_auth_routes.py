"""The routes of /v1/auth, over HTTP, with the real services behind them."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import Response

from fanfold.api.app import make_app
from fanfold.api.context import Services
from fanfold.api.hosts import HostGuard
from fanfold.api.metrics import Metrics
from fanfold.effects import Effects
from fanfold.jobs.access import Right, UserRole
from fanfold.services.access import WRONG_KEYS_A_MINUTE, RateLimits
from fanfold.services.credentials import new_key
from fanfold.stores.sqlite import SqliteStore
from tests.doors import TestClient
from tests.people import People, people_of_a_server

AUTH = "/v1/auth"


@pytest.fixture
def people() -> Iterator[People]:
    with people_of_a_server() as made:
        yield made


@pytest.fixture
def app(people: People) -> Iterator[FastAPI]:
    """The whole application; what the routes of this group do not ask is left out."""
    absent: Any = None
    store = SqliteStore(None, Effects())
    asked = {
        "access": people.access,
        "limits": RateLimits(people.clock, 1000.0),
        "clock": people.clock,
        "store": store,
        "public_url": "http://testserver",
    }
    services = Services(**{field.name: asked.get(field.name, absent) for field in fields(Services)})
    yield make_app(services, Metrics(store, absent, absent, absent), HostGuard(frozenset(), frozenset()))
    store.close()


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, raise_server_exceptions=False) as opened:
        yield opened


Ask = Callable[..., Response]


def as_(client: TestClient, people: People, key: str) -> Ask:
    """Asks with a token of this key."""
    headers = {"Authorization": f"Bearer {people.token(key)}"}

    def ask(method: str, path: str, **more: Any) -> Response:
        return client.request(method, f"{AUTH}{path}", headers=headers, **more)

    return ask


@pytest.fixture
def admin(client: TestClient, people: People) -> Ask:
    return as_(client, people, people.first_key)


def problem(answer: Response, status: int) -> str:
    """The sentence of an error answer, whose shape is checked."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"code", "message", "details"}
    return f"{body['message']} {body['details']}"


def test_a_key_is_exchanged_for_a_token_that_opens_the_api(client: TestClient, people: People) -> None:
    answer = client.post(f"{AUTH}/access_token", json={"apiKey": people.first_key})
    assert answer.status_code == 200
    body = answer.json()
    assert (body["expiresIn"], body["scope"]) == ("3600", "read submit develop administer")
    assert answer.headers["cache-control"] == "no-store"
    for header in (body["token"], f"Bearer {body['token']}", f"bearer  {body['token']}"):
        assert client.get(f"{AUTH}/user", headers={"Authorization": header}).json()["user"]["name"] == "admin"


def test_a_key_may_be_spelt_in_snake_case_and_sent_without_a_content_type(client: TestClient, people: People) -> None:
    assert client.post(f"{AUTH}/access_token", content=f'{{"api_key": "{people.first_key}"}}').status_code == 200


@pytest.mark.parametrize("body", [b"", b"{}", b'{"apiKey": 1}', b'{"apiKey": null}', b'{"apikey": "ff_mistaken"}'])
def test_a_missing_key_is_named_and_nothing_that_was_sent_is_repeated(client: TestClient, body: bytes) -> None:
    said = problem(client.post(f"{AUTH}/access_token", content=body), 400)
    assert "apiKey" in said
    assert "mistaken" not in said


def test_a_key_in_the_wrong_place_is_not_repeated(client: TestClient, people: People) -> None:
    for value in ([people.first_key], {"key": people.first_key}):
        said = problem(client.post(f"{AUTH}/access_token", json={"apiKey": value}), 400)
        assert people.first_key not in said


def test_wrong_cut_revoked_and_expired_keys_are_told_apart_by_one_status(
    client: TestClient, people: People, admin: Ask
) -> None:
    expiring = people.key_of(UserRole.VIEWER, valid_s=60)
    made = admin("POST", "/api_keys", json={"name": "lost"}).json()
    admin("POST", f"/api_keys/{made['apiKey']['id']}/revoke")
    people.clock.turn(60)
    for key, said in (
        (new_key(), "no API key like this"),
        (people.first_key[:30], "not whole"),
        (made["key"], "was revoked"),
        (expiring, "expired"),
    ):
        answer = client.post(f"{AUTH}/access_token", json={"apiKey": key})
        assert said in problem(answer, 401)
        assert key not in answer.text


def test_a_hundred_wrong_keys_a_minute_make_their_address_wait(app: FastAPI, people: People) -> None:
    attacker = TestClient(app, client=("192.0.2.1", 50000))
    other = TestClient(app, client=("192.0.2.2", 50000))
    answers = [attacker.post(f"{AUTH}/access_token", json={"apiKey": new_key()}) for _ in range(100)]
    assert [answer.status_code for answer in answers].count(401) == WRONG_KEYS_A_MINUTE
    assert "too many wrong API keys" in problem(answers[-1], 429)
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert attacker.post(f"{AUTH}/access_token", json={"apiKey": people.first_key}).status_code == 429
    assert other.post(f"{AUTH}/access_token", json={"apiKey": people.first_key}).status_code == 200
    people.clock.turn(1)
    assert attacker.post(f"{AUTH}/access_token", json={"apiKey": people.first_key}).status_code == 200


def test_the_addresses_of_one_ipv6_network_count_as_one(app: FastAPI) -> None:
    statuses = [
        TestClient(app, client=(f"2001:db8::{number:x}", 50000))
        .post(f"{AUTH}/access_token", json={"apiKey": new_key()})
        .status_code
        for number in range(1, WRONG_KEYS_A_MINUTE + 2)
    ]
    assert statuses == [401] * WRONG_KEYS_A_MINUTE + [429]


def test_right_keys_are_never_too_many(client: TestClient, people: People) -> None:
    for _ in range(2 * WRONG_KEYS_A_MINUTE):
        assert client.post(f"{AUTH}/access_token", json={"apiKey": people.first_key}).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "x", "Basic YTpi", "fft_" + "x" * 49])
def test_without_a_valid_token_nothing_is_told(client: TestClient, header: str) -> None:
    assert "token" in problem(client.get(f"{AUTH}/user", headers={"Authorization": header}), 401)


def test_signing_out_ends_the_token(admin: Ask) -> None:
    assert admin("POST", "/signout").json()["ok"] is True
    problem(admin("GET", "/user"), 401)


def test_info_needs_no_token_and_skip_never_skips(client: TestClient, admin: Ask) -> None:
    assert set(client.get(f"{AUTH}/info").json()) == {"version", "message"}
    assert admin("GET", "/skip").json() == {"skip": False, "redirectTo": ""}


def test_a_key_is_made_shown_once_listed_and_revoked(client: TestClient, people: People) -> None:
    ask = as_(client, people, people.key_of(UserRole.DEVELOPER))
    made = ask("POST", "/api_keys", json={"name": "nightly", "validity": "3600", "scopes": ["submit"]})
    assert made.headers["cache-control"] == "no-store"
    record, text = made.json()["apiKey"], made.json()["key"]
    assert record["scopes"] == ["read", "submit"]
    assert (record["name"], record["revoked"]) == ("nightly", False)
    token = as_(client, people, text)
    assert token("GET", "/user").status_code == 200
    listed = ask("GET", "/api_keys")
    assert {key["name"] for key in listed.json()["apiKeys"]} == {"made for them", "nightly"}
    assert text not in listed.text
    assert ask("POST", f"/api_keys/{record['id']}/revoke").json()["ok"] is True
    problem(token("GET", "/user"), 401)
    assert {key["id"]: key["revoked"] for key in ask("GET", "/api_keys").json()["apiKeys"]}[record["id"]] is True


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["root"]},
        {"scopes": "read"},
        {"scopes": ["administer"]},
        {"scopes": ["nothing"]},
        {"validity": -1},
        {"validity": 10**12},
        {"validity": "soon"},
        {"name": "a\nb"},
        {"name": "x" * 201},
        {"name": 1},
    ],
)
def test_an_impossible_key_is_refused_with_the_field_named(
    client: TestClient, people: People, body: dict[str, Any]
) -> None:
    ask = as_(client, people, people.key_of(UserRole.DEVELOPER))
    assert next(iter(body)) in problem(ask("POST", "/api_keys", json=body), 400)


def test_other_peoples_keys_are_not_there(client: TestClient, people: People, admin: Ask) -> None:
    ask = as_(client, people, people.key_of(UserRole.DEVELOPER))
    theirs = admin("GET", "/api_keys").json()["apiKeys"][0]
    problem(ask("POST", f"/api_keys/{theirs['id']}/revoke"), 404)
    problem(ask("GET", f"/api_keys?userId={theirs['userId']}"), 404)
    problem(ask("POST", "/api_keys", json={"userId": theirs["userId"]}), 404)


def test_a_person_is_brought_in_by_an_administrator(client: TestClient, people: People, admin: Ask) -> None:
    account = admin("POST", "/accounts", json={"id": "team-a", "name": "Team A", "quotas": {"jobs": 5}}).json()
    assert account["account"]["quotas"] == {"jobs": 5}
    wanted = {"accountId": "team-a", "name": "ann", "email": "ann@example.org", "role": "submitter"}
    user = admin("POST", "/users", json=wanted).json()["user"]
    assert {name: user[name] for name in wanted} == wanted
    key = admin("POST", "/api_keys", json={"userId": user["id"], "name": "hers"}).json()["key"]
    ann = as_(client, people, key)
    assert ann("GET", "/user").json()["user"]["id"] == user["id"]
    assert ann("PATCH", "/user", json={"user": {"name": "Ann"}}).json()["user"]["name"] == "Ann"
    assert admin("GET", f"/users/{user['id']}").json()["user"]["name"] == "Ann"
    assert admin("PATCH", "/accounts/team-a", json={"disabled": True}).json()["account"]["disabledAt"]
    problem(ann("GET", "/user"), 401)
    assert admin("PATCH", "/accounts/team-a", json={"disabled": False}).json()["account"]["disabledAt"] is None
    assert ann("GET", "/user").status_code == 200


def test_people_do_not_raise_themselves(client: TestClient, people: People) -> None:
    ask = as_(client, people, people.key_of(UserRole.SUBMITTER))
    changed = ask("PATCH", "/user", json={"name": "x", "role": "administrator", "accountId": "other"}).json()["user"]
    assert (changed["role"], changed["accountId"]) == ("submitter", "default")


def test_the_last_administrator_is_kept_by_a_conflict(people: People, admin: Ask) -> None:
    me = people.admin
    assert "administrator" in problem(admin("PATCH", f"/users/{me.user_id}", json={"disabled": True}), 409)
    assert "administrator" in problem(admin("POST", f"/api_keys/{me.key_id}/revoke"), 409)


@pytest.mark.parametrize("path", ["/users", "/accounts", "/audit"])
def test_listings_are_pages(people: People, admin: Ask, path: str) -> None:
    for _ in range(2):
        people.a(UserRole.VIEWER, account=people.account(f"team-{people.access.administration.accounts(1, 0)[1]}"))
    page = admin("GET", f"{path}?pagination.limit=1&pagination.offset=1").json()
    assert len(page["data"]) == 1
    whole = page["pagination"]
    assert whole == {"total": whole["total"], "offset": 1, "hasPrevious": True, "hasNext": True}
    assert whole["total"] >= 3
    for wrong in ("limit=0", "limit=1001", "offset=-1", "limit=many"):
        problem(admin("GET", f"{path}?{wrong}"), 400)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/accounts", {"name": ""}),
        ("POST", "/accounts", {}),
        ("POST", "/accounts", {"id": "../x", "name": "x"}),
        ("POST", "/accounts", {"name": "x", "quotas": {"jobs": -1}}),
        ("POST", "/accounts", {"name": "x", "quotas": {"a b": 1}}),
        ("PATCH", "/accounts/default", {}),
        ("POST", "/users", {"accountId": "default", "name": "x", "role": "king"}),
        ("POST", "/users", {"accountId": "default", "name": "x", "role": "viewer", "email": "no"}),
        ("POST", "/users", {"name": 1, "role": 2}),
    ],
)
def test_a_wrong_account_or_user_is_refused(admin: Ask, method: str, path: str, body: dict[str, Any]) -> None:
    problem(admin(method, path, json=body), 400)


@pytest.mark.parametrize("path", ["/accounts/nobody", "/users/nobody", "/users/%00", "/accounts/%ff%2f.."])
def test_what_is_not_there_is_not_found(admin: Ask, path: str) -> None:
    problem(admin("GET", path), 404)
    problem(admin("PATCH", path, json={"name": "x"}), 404)


def test_every_change_is_in_the_audit_log_with_its_request(admin: Ask, people: People) -> None:
    answers = [
        admin("POST", "/accounts", json={"id": "team-a", "name": "Team A"}),
        admin("PATCH", "/accounts/team-a", json={"name": "Team B"}),
        admin("POST", "/users", json={"accountId": "team-a", "name": "ann", "role": "viewer"}),
        admin("PATCH", "/user", json={"name": "boss"}),
        made := admin("POST", "/api_keys", json={"name": "spare"}),
        admin("POST", f"/api_keys/{made.json()['apiKey']['id']}/revoke"),
    ]
    lines = admin("GET", "/audit").json()["data"][: len(answers)][::-1]
    assert [line["requestId"] for line in lines] == [answer.headers["x-request-id"] for answer in answers]
    assert [line["action"] for line in lines] == [
        "account.create",
        "account.change",
        "user.create",
        "user.change",
        "key.create",
        "key.revoke",
    ]
    assert made.json()["key"] not in admin("GET", "/audit").text


def test_developers_read_the_audit_log_of_their_account_only(client: TestClient, people: People) -> None:
    people.account("team-a")
    ask = as_(client, people, people.key_of(UserRole.DEVELOPER, account="team-a"))
    assert ask("GET", "/audit").json()["data"] == []
    problem(ask("GET", "/audit?accountId=default"), 404)


ROUTES: dict[tuple[str, str], Right] = {
    ("POST", "/signout"): Right.READ,
    ("GET", "/skip"): Right.READ,
    ("GET", "/api_keys"): Right.READ,
    ("GET", "/user"): Right.READ,
    ("PATCH", "/user"): Right.SUBMIT,
    ("POST", "/api_keys"): Right.DEVELOP,
    ("POST", "/api_keys/nobody/revoke"): Right.DEVELOP,
    ("GET", "/audit"): Right.DEVELOP,
    ("GET", "/accounts"): Right.ADMINISTER,
    ("POST", "/accounts"): Right.ADMINISTER,
    ("GET", "/accounts/nobody"): Right.ADMINISTER,
    ("PATCH", "/accounts/nobody"): Right.ADMINISTER,
    ("GET", "/users"): Right.ADMINISTER,
    ("POST", "/users"): Right.ADMINISTER,
    ("GET", "/users/nobody"): Right.ADMINISTER,
    ("PATCH", "/users/nobody"): Right.ADMINISTER,
}


@pytest.mark.parametrize("role", UserRole)
def test_each_role_gets_what_its_rights_give_and_403_for_the_rest(
    client: TestClient, people: People, role: UserRole
) -> None:
    key = people.key_of(role)
    caller = people.signed_in(key)
    for (method, path), right in ROUTES.items():
        answer = as_(client, people, key)(method, path, json={} if method != "GET" else None)
        assert (answer.status_code == 403) is not caller.may(right), (method, path, answer.text)


def test_a_narrow_key_of_an_administrator_is_refused_like_a_lesser_role(client: TestClient, people: People) -> None:
    ask = as_(client, people, people.key_of(UserRole.ADMINISTRATOR, Right.SUBMIT))
    assert ask("GET", "/user").status_code == 200
    assert "administer" in problem(ask("GET", "/users"), 403)
    assert "develop" in problem(ask("GET", "/audit"), 403)
