"""Two servers as `examples/deploy` has them: one database, one bucket, the same keys, and no disk in common."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from fanfold.effects import Effects
from fanfold.stores.postgres import PostgresStore
from tests.arch.source import ROOT
from tests.compat.scene import done, draft, ended, job_of, push, run
from tests.compat.server import Door, Server, json_of, until
from tests.conformance.s3_server import KEYS, s3_server
from tests.pace import patience
from tests.postgres_server import postgres_server

pytestmark = pytest.mark.timeout(300)

DEPLOY = ROOT / "examples" / "deploy"
WITHIN_S = patience(60.0)
BUCKET = "jobs"
SLOW = """#!/bin/sh
[ "$FANFOLD_CHUNK_INDEX" != 0 ] || sleep 3
echo "chunk $FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[dict[str, object]]:
    """What both are told."""
    made = subprocess.run([sys.executable, DEPLOY / "make_secrets.py"], cwd=tmp_path, check=True, capture_output=True)
    assert b".env was made" in made.stdout
    variables = dict(line.partition("=")[::2] for line in (tmp_path / ".env").read_text().splitlines())
    (tmp_path / "store").mkdir()
    with s3_server(tmp_path / "store") as store, postgres_server() as database:
        store.bucket(BUCKET)
        url = database.new_database()
        yield {
            "database": url,
            "master_key": variables["MASTER_KEY"],
            "storage": f"s3://{BUCKET}/deployed",
            "storage_endpoint": store.url,
            "storage_access_key": KEYS[0],
            "storage_secret_key": KEYS[1],
            "isolation": "off",
            "slots": 2,
        }
        with closing(PostgresStore(url, Effects())) as found:
            assert found.violations() == []


def server(folder: Path, name: str, settings: dict[str, object]) -> Server:
    """One with the keys in its own state folder, put there as the compose file does."""
    made = Server(folder / name, **settings)
    made.state.mkdir(parents=True)
    command = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["server"]["command"][2]
    install = shlex.split(command.partition("&&")[0])[:-2]
    subprocess.run([*install, folder / "secrets" / "server-keys.json", made.state / "server-keys.json"], check=True)
    return made


def stands(door: Door) -> str:
    told: Any = json_of(door.get("/ready"))
    return str(told["orchestrator"]["state"])


def test_another_one_goes_on_where_the_first_was_killed(tmp_path: Path, settings: dict[str, object]) -> None:
    first, second = (server(tmp_path, name, settings) for name in ("first", "second"))
    first.start()
    second.start_known()
    try:
        with first.door() as door, second.door(first.key) as other:
            assert (stands(door), stands(other)) == ("active", "standby")
            tag = push(door, "slow", SLOW)
            before = str(done(door, tag)["id"])
            params = {"partitioner": {"num_replicas": 6}}
            job_id = str(draft(other, tag, partitioner="replicate", assembler="concat", params=params)["id"])
            run(other, job_id)
            until("it runs", lambda: job_of(other, job_id)["state"] == "JOB_STATE_PARTITIONED", WITHIN_S)
            results: Any = json_of(door.get(f"/v1/customer/jobs/{before}/results"))["results"]
            first.kill()
            until("it is taken over", lambda: stands(other) == "active", WITHIN_S)
            ended(other, job_id, deadline_s=WITHIN_S)
            (made,) = [one for one in results if one["name"] != "provenance.json"]
            link = urlsplit(made["link"])
            assert other.get(f"{link.path}?{link.query}").content
            files: Any = json_of(other.get(f"/v1/customer/jobs/{job_id}/results"))["results"]
            (output,) = [one for one in files if one["name"] != "provenance.json"]
            assert other.get(output["link"]).text == "".join(f"chunk {number}\n" for number in range(6))
    finally:
        first.kill()
        assert second.stop() == 0


def test_one_with_keys_of_its_own_is_refused_in_words(tmp_path: Path, settings: dict[str, object]) -> None:
    first = server(tmp_path, "first", settings).start()
    stranger = Server(tmp_path / "stranger", **settings)
    stranger.launch()
    try:
        assert stranger.wait() != 0
        assert "has the job data of a server with other keys" in " ".join(stranger.errors.read_text().split())
    finally:
        assert first.stop() == 0
