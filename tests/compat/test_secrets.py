"""Secrets over the public API: put, listed, granted, given to programs, and refused in words."""

import base64
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.compat.conftest import Starting
from tests.compat.scene import People, done, draft, ended, fresh, push, run
from tests.compat.server import Door, json_of, until
from tests.lying_server import lying_server

VALUE = "wJalrXUtnFEMI/K7MDENG+bPxRfi"

SHOW = """#!/bin/sh
echo "INFO: KEY is $TOKEN_{number}"
printf '%s' "$TOKEN_{number}" | wc -c > "$TASK_RESULTS_DIR/length.txt"
ulimit -c > "$TASK_RESULTS_DIR/core.txt"
env | cut -d= -f1 | sort | tr '\\n' ' ' > "$TASK_RESULTS_DIR/names.txt"
[ "$(printf '%s' "$TOKEN_{number}" | wc -c)" -gt 0 ]
"""


def _put(door: Door, secret_id: str, value: str = VALUE, **fields: Any) -> dict[str, Any]:
    secret = {"id": secret_id, "secretType": "other", **fields}
    made: Any = json_of(door.post("/v1/auth/secrets", json={"secret": secret, "secretKey": value}))["secret"]
    return dict(made)


def _named() -> tuple[str, str]:
    """A fresh secret of `ours`, and a program that shows it."""
    number = fresh("n").removeprefix("n-")
    return f"token-{number}", SHOW.replace("{number}", number)


def _text(door: Door, job_id: str, name: str) -> str:
    listed: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}/results"))["results"]
    return door.get(next(item["link"] for item in listed if item["name"] == name)).text


def test_a_secret_is_stored_and_listed_without_its_value(people: People) -> None:
    name = fresh("pair")
    made = _put(people.developer, name, secretType="s3", accessKey="AKIA", expiresAt="2031-05-04T12:00:00Z")
    assert (made["secretType"], made["accessKey"], made["expired"]) == ("aws", "AKIA", False)
    listing = people.viewer.get("/v1/auth/secrets")
    assert name in listing.text
    assert VALUE not in listing.text
    json_of(people.developer.delete(f"/v1/auth/secrets/s3/{name}"))
    assert name not in people.viewer.get("/v1/auth/secrets").text
    assert people.developer.delete(f"/v1/auth/secrets/s3/{name}").status_code == 404


def test_what_is_wrong_is_told_without_what_was_sent(people: People) -> None:
    for body in (
        {"secret": VALUE},
        {"secret": {"id": "a", "secretType": [VALUE]}, "secretKey": [VALUE]},
        {"secret": {"id": "a", "secretType": "other", "expiresAt": VALUE}, "secretKey": VALUE},
        {"secret": {"id": "a b", "secretType": "other"}, "secretKey": VALUE * 1000},
    ):
        answer = people.developer.post("/v1/auth/secrets", json=body)
        assert answer.status_code == 400
        assert VALUE not in answer.text, answer.text


def test_a_program_gets_its_secret_and_its_log_masks_it(people: People) -> None:
    secret, program = _named()
    tag = push(people.developer, fresh("app"), program, platform_config={"secrets": [secret]})
    _put(people.developer, secret)
    job = done(people.submitter, tag)
    assert _text(people.submitter, job["id"], "length.txt").split() == [str(len(VALUE))]
    assert _text(people.submitter, job["id"], "core.txt") == "0\n"
    log = people.submitter.get(f"/v1/customer/jobs/{job['id']}/logs/download").text
    assert "KEY is ***" in log
    assert VALUE not in log


def test_a_program_gets_no_secret_that_its_manifest_does_not_list(people: People) -> None:
    secret, program = _named()
    _put(people.developer, secret)
    tag = push(people.developer, fresh("app"), program.replace("[ ", "[ 0 -eq 0 ] || [ "))
    job = done(people.submitter, tag)
    assert secret.upper().replace("-", "_") not in _text(people.submitter, job["id"], "names.txt")


def test_run_refuses_a_block_whose_secret_is_not_there(people: People) -> None:
    secret, program = _named()
    tag = push(people.developer, fresh("app"), program, platform_config={"secrets": [secret]})
    job = draft(people.submitter, tag)
    refused = people.submitter.post(f"/v1/customer/jobs/{job['id']}/run", json={})
    assert refused.status_code == 400
    assert f"there is no secret '{secret}'" in refused.text
    _put(people.developer, secret)
    run(people.submitter, job["id"])
    ended(people.submitter, job["id"])


def test_an_imported_block_gets_a_secret_only_once_it_is_granted(people: People) -> None:
    secret, program = _named()
    name = fresh("shared")
    tag = push(people.stranger, name, program, platform_config={"secrets": [secret]})
    json_of(people.stranger.post(f"/v1/dev/apps/{tag}/publish"))
    json_of(people.developer.post(f"/v1/dev/apps/{tag}/import"))
    _put(people.developer, secret)
    job = draft(people.submitter, tag)
    refused = people.submitter.post(f"/v1/customer/jobs/{job['id']}/run", json={})
    assert refused.status_code == 400
    assert "is not granted to this imported block" in refused.text

    grants = f"/v1/auth/secrets/other/{secret}/grants"
    granted: Any = json_of(people.developer.post(grants, json={"block": tag}))["grant"]
    assert (granted["block"], granted["revision"]) == (tag, 1)
    run(people.submitter, job["id"])
    ended(people.submitter, job["id"])

    push(people.stranger, name, program, platform_config={"secrets": [secret]})
    json_of(people.developer.post(f"/v1/dev/apps/{tag}/import"))
    again = draft(people.submitter, tag)
    refused = people.submitter.post(f"/v1/customer/jobs/{again['id']}/run", json={})
    assert "granted to revision 1, and this is revision 2" in refused.text

    json_of(people.developer.request("DELETE", grants, json={"block": tag}))
    refused = people.submitter.post(f"/v1/customer/jobs/{again['id']}/run", json={})
    assert "is not granted" in refused.text


def test_the_secrets_of_one_account_are_not_anothers(people: People) -> None:
    secret, program = _named()
    _put(people.stranger, secret)
    tag = push(people.developer, fresh("app"), program, platform_config={"secrets": [secret]})
    job = draft(people.submitter, tag)
    refused = people.submitter.post(f"/v1/customer/jobs/{job['id']}/run", json={})
    assert f"there is no secret '{secret}'" in refused.text


def test_a_rotation_goes_on_beside_the_work(people: People) -> None:
    secret, program = _named()
    tag = push(people.developer, fresh("app"), program, platform_config={"secrets": [secret]})
    _put(people.developer, secret)
    before = (people.server.state / "master-key.json").read_text()
    rotated = json_of(people.root.post("/v1/auth/secrets/rotate"))
    assert isinstance(rotated["count"], int)
    assert rotated["count"] >= 1
    assert (people.server.state / "master-key.json").read_text() != before
    done(people.submitter, tag)


def test_changes_of_secrets_are_in_the_audit_log(people: People) -> None:
    name = fresh("audited")
    _put(people.developer, name)
    json_of(people.developer.delete(f"/v1/auth/secrets/other/{name}"))
    page: Any = json_of(people.developer.get("/v1/auth/audit", params={"limit": 50}))["data"]
    assert [line["action"] for line in page if line["object"] == name] == ["secret.delete", "secret.put"]


def test_a_password_of_a_url_is_used_and_never_shown(starting: Starting) -> None:
    with lying_server() as web:
        server = starting(allow_private_urls="on")
        url = web.gives("/input.txt", b"a line\n")
        with server.door() as door:
            source = {"url": url, "username": "ann", "password": VALUE}
            job = draft(door, push(door, "copy"), dataSource={"dataSourceDescriptor": "url", "params": source})
            assert job["dataSource"]["params"] == {"url": url, "username": "ann"}
            body = {"dataSource": job["dataSource"]}
            kept: Any = json_of(door.patch(f"/v1/customer/jobs/{job['id']}/datasource", json=body))["job"]
            assert kept["dataSource"] == job["dataSource"]
            run(door, job["id"])
            found = ended(door, job["id"])
            assert VALUE not in str(found)
            assert VALUE.encode() not in server.database.read_bytes()
        sent = base64.b64encode(f"ann:{VALUE}".encode()).decode()
        assert [f"basic {sent}".lower() in asked.lower() for asked in web.asked] == [True] * len(web.asked)
        assert web.asked


WAIT_AND_FAIL = """#!/bin/sh
place=$(printf %s "$APP_PARAMS" | sed 's/.*"until": *"\\([^"]*\\)".*/\\1/')
for _ in $(seq 600); do
  [ -e "$place" ] && exit 1
  sleep 0.05
done
"""


def test_an_attempt_whose_secret_is_gone_meanwhile_fails_in_words(people: People, tmp_path: Path) -> None:
    secret, _ = _named()
    _put(people.developer, secret)
    tag = push(people.developer, fresh("app"), WAIT_AND_FAIL, platform_config={"secrets": [secret]})
    place = tmp_path / "now"
    job = draft(people.submitter, tag, params={"app": {"until": str(place)}})
    run(people.submitter, job["id"])

    def runs() -> bool:
        return "TASK_STATE_RUNNING" in people.submitter.get(f"/v1/customer/jobs/{job['id']}/tasks").text

    until("the first attempt runs", runs, 20.0)
    json_of(people.developer.delete(f"/v1/auth/secrets/other/{secret}"))
    place.touch()
    failed = ended(people.submitter, job["id"], "JOB_STATE_FAILED")
    assert f"there is no secret '{secret}'" in failed["errorMessage"]


def test_a_server_keeps_the_master_key_that_it_was_given_to_itself(starting: Starting) -> None:
    one, two = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    server = starting(master_key=one, isolation="off")
    secret, program = _named()
    with server.door() as door:
        _put(door, secret)
        tag = push(door, fresh("app"), program, platform_config={"secrets": [secret]})
        assert "FANFOLD_MASTER_KEY" not in _text(door, done(door, tag)["id"], "names.txt").split()
        rotated = door.post("/v1/auth/secrets/rotate")
        assert (rotated.status_code, "NEW OLD" in rotated.text) == (400, True)
        environments = []
        for process in psutil.Process(server.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it has just ended
                environments.append(process.environ())
        assert environments
        assert not [known for known in environments if "FANFOLD_MASTER_KEY" in known]
    for keys in (f"{two} {one}", two):
        server.stop()
        server.set(master_key=keys)
        server.start()
        with server.door() as door:
            done(door, tag)
    assert not (server.state / "master-key.json").exists()
    assert not [key for key in (one, two) if key in server.errors.read_text()]
