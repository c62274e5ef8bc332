"""What accounts store is bounded by their quotas, and what nobody needs is removed when an administrator asks."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from fanfold.jobs.access import UserRole
from tests.compat.conftest import Starting
from tests.compat.scene import People, done, draft, fresh, job_of, push, run
from tests.compat.server import FANFOLD, Door, Server, json_of

COLLECT = "/v1/auth/storage/collect"


@pytest.fixture
def bounded(people: People) -> Iterator["Bounded"]:
    """An account of the test's own, whose quotas it sets."""
    made = Bounded(people)
    yield made
    made.door.close()


class Bounded:
    def __init__(self, people: People) -> None:
        self.root, self.id = people.root, fresh("bounded")
        json_of(self.root.post("/v1/auth/accounts", json={"id": self.id, "name": self.id}))
        wanted = {"accountId": self.id, "name": "ann", "role": UserRole.DEVELOPER.value}
        user: Any = json_of(self.root.post("/v1/auth/users", json=wanted))["user"]
        made = json_of(self.root.post("/v1/auth/api_keys", json={"name": "theirs", "userId": user["id"]}))
        self.door: Door = people.server.door(str(made["key"]))

    def allow(self, **quotas: float) -> None:
        json_of(self.root.patch(f"/v1/auth/accounts/{self.id}", json={"quotas": quotas}))

    def upload(self, data: bytes) -> tuple[str, Any]:
        job = draft(self.door, push(self.door, fresh("copy")), dataSource={"dataSourceDescriptor": "file"})
        return job["id"], self.door.put(job["dataSource"]["params"]["tempUrl"], content=data)


def test_no_more_is_stored_than_the_quota_and_deleting_makes_room(bounded: Bounded) -> None:
    bounded.allow(storedBytes=1000)
    job_id, sent = bounded.upload(b"x" * 900)
    assert sent.status_code == 200
    _, refused = bounded.upload(b"x" * 101)
    assert (refused.status_code, "may store 100 bytes more" in refused.json()["message"]) == (400, True)
    other_id, sent = bounded.upload(b"x" * 100)
    assert sent.status_code == 200
    _, refused = bounded.upload(b"x")
    assert "stores 1,000 bytes and may store 1,000 (storedBytes)" in refused.json()["message"]
    refused = bounded.door.post(f"/v1/customer/jobs/{other_id}/run", json={})
    assert refused.status_code == 400
    assert "Delete jobs" in refused.json()["message"]
    assert job_of(bounded.door, other_id)["state"] == "JOB_STATE_NEW"
    json_of(bounded.door.delete(f"/v1/customer/jobs/{job_id}"))
    json_of(bounded.door.post(f"/v1/customer/jobs/{other_id}/uploadcompleted"))
    run(bounded.door, other_id)


def test_results_count_until_their_job_is_deleted(bounded: Bounded) -> None:
    app = push(bounded.door, fresh("wide"), '#!/bin/sh\nhead -c 5000 /dev/zero > "$TASK_RESULTS_DIR/z"\n')
    job = done(bounded.door, app)
    bounded.allow(storedBytes=5000)
    next_ = draft(bounded.door, app)
    refused = bounded.door.post(f"/v1/customer/jobs/{next_['id']}/run", json={})
    assert (refused.status_code, "storedBytes" in refused.json()["message"]) == (400, True)
    json_of(bounded.door.delete(f"/v1/customer/jobs/{job['id']}"))
    run(bounded.door, next_["id"])


def test_files_are_kept_no_longer_than_the_account_may_and_the_job_says_so(bounded: Bounded) -> None:
    bounded.allow(retentionDays=2)
    app = push(bounded.door, fresh("copy"))
    long = done(bounded.door, app, config={"retentionDays": 30})
    assert long["config"]["retentionDays"] == 2
    assert [said for said in long["warnings"] if "30 is more than the account's quota, 2" in said]
    short = done(bounded.door, app, config={"retentionDays": 1})
    assert (short["config"]["retentionDays"], short["warnings"]) == (1, [])


@pytest.fixture
def own(starting: Starting) -> Server:
    return starting()


def test_a_deleted_block_is_told_and_then_removed_by_the_command(own: Server) -> None:
    with own.door() as door:
        kept, gone = push(door, "kept", "#!/bin/sh\necho kept\n"), push(door, "gone", "#!/bin/sh\necho gone\n")
        json_of(door.delete(f"/v1/dev/apps/{gone}"))
        assert json_of(door.post(COLLECT, json={"dryRun": True}))["count"] == 0
        for folder in ("archives", "packages"):
            for path in (own.state / folder).iterdir():
                os.utime(path, (0, 0))
        told = _typed(own, "gc", "--dry-run", "--json")
        assert {garbage["kind"] for garbage in told["garbage"]} == {"block"}
        assert told["count"] == 2
        assert _typed(own, "gc", "--json") == {**told, "dryRun": False}
        assert _typed(own, "gc", "--json")["count"] == 0
        assert done(door, kept)["state"] == "JOB_STATE_COMPLETE"


def _typed(server: Server, *words: str) -> Any:
    environment = {**os.environ, "FANFOLD_URL": server.url, "FANFOLD_API_KEY": server.key}
    done = subprocess.run([str(FANFOLD), *words], capture_output=True, text=True, env=environment, check=True)
    return json.loads(done.stdout)


def test_people_read_what_would_go(own: Server) -> None:
    environment = {**os.environ, "FANFOLD_URL": own.url, "FANFOLD_API_KEY": own.key}
    (own.state / "packages").mkdir(exist_ok=True)
    left = own.state / "packages" / ".left.part"
    left.mkdir()
    os.utime(left, (0, 0))
    seen = subprocess.run([str(FANFOLD), "gc", "-n"], capture_output=True, text=True, env=environment, check=True)
    assert "packages/.left.part" in seen.stdout
    assert "1 objects of 0 B would go" in seen.stderr
    assert left.exists()
