"""The console's door: sessions, forms of other sites, rights, other people's things, what browsers refuse."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from fanfold.jobs.access import UserRole
from tests.compat.conftest import Starting
from tests.compat.console import Browser
from tests.compat.scene import OURS, THEIRS, People, draft
from tests.compat.server import NO_TLS, Server, json_of

pytestmark = pytest.mark.timeout(180)

MADE_UP = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def nobody(server: Server) -> Iterator[Browser]:
    with Browser(server) as browser:
        yield browser


@pytest.fixture
def developer(server: Server, people: People) -> Iterator[Browser]:
    with Browser(server, people.keys[OURS, UserRole.DEVELOPER]) as browser:
        yield browser


def test_the_start_leads_to_the_sign_in_page(nobody: Browser) -> None:
    assert nobody.get("/").headers["location"] == "/console/"
    assert nobody.get("/console/").headers["location"] == "/console/sign-in"
    page = nobody.get("/console/sign-in")
    assert page.status_code == 200
    assert "API key" in page.text


def test_a_page_without_a_session_leads_to_the_sign_in_page_and_back(server: Server, people: People) -> None:
    with Browser(server) as browser:
        answer = browser.get("/console/jobs?show=failed")
        assert answer.status_code == 303
        there = answer.headers["location"]
        assert there == "/console/sign-in?to=%2Fconsole%2Fjobs%3Fshow%3Dfailed"
        assert 'value="/console/jobs?show=failed"' in browser.get(there).text
        key = people.keys[OURS, UserRole.VIEWER]
        entered = browser.post("/console/sign-in", data={"key": key, "to": "/console/jobs?show=failed"})
        assert entered.headers["location"] == "/console/jobs?show=failed"


@pytest.mark.parametrize(
    "to", ["https://example.org/", "//example.org", "/console//example.org", "/\\example.org", "/v1"]
)
def test_signing_in_leads_to_no_other_place(server: Server, people: People, to: str) -> None:
    with Browser(server) as browser:
        entered = browser.post("/console/sign-in", data={"key": people.keys[OURS, UserRole.VIEWER], "to": to})
        assert entered.headers["location"] == "/console/jobs"


def test_the_session_is_kept_from_scripts_and_other_sites(server: Server, people: People) -> None:
    with Browser(server) as browser:
        answer = browser.post("/console/sign-in", data={"key": people.keys[OURS, UserRole.VIEWER]})
        cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/console" in cookie
    assert "secure" not in cookie, "this server is reached without TLS, where a secure cookie would never come back"


def test_behind_tls_the_cookie_is_secure(starting: Starting) -> None:
    server = starting(public_url="https://fanfold.example")
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port()}", verify=NO_TLS) as browser:
        answer = browser.post("/console/sign-in", data={"key": server.key})
    assert answer.status_code == 303
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_wrong_key_is_refused_in_words(nobody: Browser) -> None:
    answer = nobody.post("/console/sign-in", data={"key": "ff_nonsense"})
    assert answer.status_code == 401
    assert 'role="alert"' in answer.text
    assert "set-cookie" not in answer.headers


def test_signing_out_ends_the_session_at_once(server: Server, people: People) -> None:
    with Browser(server, people.keys[OURS, UserRole.VIEWER]) as browser:
        cookies = dict(browser.cookies)
        assert browser.submit("/sign-out").status_code == 303
        browser.cookies.update(cookies)
        assert browser.get("/console/jobs").status_code == 303


def test_a_revoked_key_ends_its_sessions_at_once(server: Server, people: People) -> None:
    user = people.ids[OURS, UserRole.VIEWER]
    made = json_of(people.root.post("/v1/auth/api_keys", json={"name": "short", "userId": user}))
    with Browser(server, str(made["key"])) as browser:
        assert browser.get("/console/jobs").status_code == 200
        key: dict[str, str] = made["apiKey"]  # type: ignore[assignment]
        json_of(people.root.post(f"/v1/auth/api_keys/{key['id']}/revoke"))
        assert browser.get("/console/jobs").status_code == 303


def test_a_form_without_the_sessions_own_token_does_nothing(server: Server, people: People) -> None:
    with Browser(server, people.keys[OURS, UserRole.VIEWER]) as browser:
        for fields in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "é"}):
            answer = browser.post("/console/sign-out", data=fields)
            assert answer.status_code == 403, answer.text
        assert browser.get("/console/jobs").status_code == 200


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}])
def test_a_form_of_another_site_does_nothing(developer: Browser, headers: dict[str, str]) -> None:
    token = developer.token()
    answer = developer.post("/console/sign-out", data={"csrf": token}, headers=headers)
    assert answer.status_code == 403
    assert developer.get("/console/jobs").status_code == 200


def test_nobody_can_be_signed_in_by_another_site(nobody: Browser, people: People) -> None:
    key = people.keys[OURS, UserRole.VIEWER]
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://127.0.0.1:1"}):
        assert nobody.post("/console/sign-in", data={"key": key}, headers=headers).status_code == 403


def test_every_answer_tells_the_browser_what_to_refuse(nobody: Browser) -> None:
    for path in ("/console/sign-in", "/console/nowhere", "/console/static/console.css", "/console/jobs"):
        headers = nobody.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"


def test_what_is_not_there_is_told_in_words(nobody: Browser, developer: Browser) -> None:
    for browser, path in ((nobody, "/console/nowhere"), (developer, f"/console/jobs/{MADE_UP}")):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert "Not here" in answer.text


def test_the_api_answers_as_before_beside_the_console(nobody: Browser) -> None:
    assert nobody.get("/v1/nowhere").json()["message"] == "there is nothing at this path"
    assert nobody.delete("/v1/customer/info").status_code == 405


def test_another_accounts_job_is_not_there(developer: Browser, people: People) -> None:
    theirs = draft(people.stranger, people.app(THEIRS))["id"]
    for part in ("", "/details", "/live", "/changes"):
        assert developer.get(f"/console/jobs/{theirs}{part}").status_code == 404


def test_a_link_signs_in_once(starting: Starting) -> None:
    server = starting()
    link = server.link()
    with Browser(server) as first, Browser(server) as second:
        for browser in (first, second):
            assert browser.get(link).status_code == 200, "to look at it does not use it up"
        assert first.post(link).headers["location"] == "/console/jobs"
        assert "Signed in as" in first.get("/console/jobs").text
        answer = second.post(link)
        assert answer.status_code == 404
        assert "used already" in answer.text
        assert second.get("/console/jobs").status_code == 303


def test_a_made_up_link_opens_nothing(nobody: Browser) -> None:
    for secret in ("x", "%00", "é", "a" * 5000):
        assert nobody.post(f"/console/enter/{secret}").status_code == 404


def test_forms_have_an_end(nobody: Browser) -> None:
    assert nobody.post("/console/sign-in", data={"key": "x" * 100_000}).status_code == 400
    odd = {"content-type": "multipart/form-data; boundary=x"}
    assert nobody.post("/console/sign-in", content=b"--y\r\nnonsense", headers=odd).status_code in (400, 401)


def test_an_open_page_does_not_keep_a_server_from_ending(starting: Starting) -> None:
    server = starting()
    with Browser(server, server.key) as browser, browser.stream("GET", "/console/jobs/live") as stream:
        assert stream.status_code == 200
        assert server.stop() == 0
