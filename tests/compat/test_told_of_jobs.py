"""What a caller is told of a configuration it got wrong, and of a job whose files are gone."""

import pytest

from tests.compat.scene import People, draft, ended, fresh, run
from tests.compat.server import json_of

WARNING = "config.maxTemper is not known and was ignored"


@pytest.mark.parametrize("keyed", [False, True])
def test_an_unknown_key_of_a_configuration_is_told_on_the_job(people: People, copy_app: str, keyed: bool) -> None:
    headers = {"Idempotency-Key": fresh("key")} if keyed else {}
    wanted = {"app": copy_app, "config": {"maxTemper": 3}}
    job = json_of(people.submitter.post("/v1/customer/jobs", json=wanted, headers=headers))["job"]
    assert job["warnings"] == [WARNING]


def test_a_new_configuration_of_a_draft_is_told_about_too(people: People, copy_app: str) -> None:
    job = draft(people.submitter, copy_app, config={"maxTemper": 3})
    path = f"/v1/customer/jobs/{job['id']}/configs"
    assert json_of(people.submitter.patch(path, json={"config": {"maxTempo": 1}}))["job"]["warnings"] == [
        "config.maxTempo is not known and was ignored"
    ]
    assert json_of(people.submitter.patch(path, json={"config": {"maxAttempts": 2}}))["job"]["warnings"] == []


def test_a_job_whose_files_are_gone_is_not_tried_again(people: People, failing_app: str) -> None:
    job = draft(people.submitter, failing_app, config={"retentionDays": 0, "maxAttempts": 1})
    run(people.submitter, job["id"])
    ended(people.submitter, job["id"], "JOB_STATE_FAILED")
    answer = people.submitter.post(f"/v1/customer/jobs/{job['id']}/retry", json={})
    assert answer.status_code == 400
    assert "config.retentionDays" in answer.json()["message"]
    assert "make a new job" in answer.json()["message"]
