"""The store of job data is away for seconds, or cuts its connections, in the middle of a job: the job completes, every
chunk once, and nobody starts anything again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fanfold.cli.diagnosis import Finding, State, _job_storage
from fanfold.effects import Effects
from fanfold.stores.sqlite import SqliteStore
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Door, Server, json_of, until
from tests.conformance.s3_server import KEYS, s3_server
from tests.gate import Gate, gate

CHUNKS = 40
SLOW = """#!/bin/sh
sleep 0.05
echo "$FANFOLD_CHUNK_INDEX" > "$TASK_RESULTS_DIR/out.txt"
echo "chunk $FANFOLD_CHUNK_INDEX"
"""


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Gate]:
    """The way to a store that has the bucket `jobs`."""
    with s3_server(tmp_path) as store, gate(int(store.url.rpartition(":")[2])) as made:
        store.bucket("jobs")
        yield made


def serving(tmp_path: Path, way: Gate, **more: object) -> Server:
    keys = {"storage_access_key": KEYS[0], "storage_secret_key": KEYS[1]}
    place = {"storage": "s3://jobs/here", "storage_endpoint": f"http://127.0.0.1:{way.port}", **keys}
    return Server(tmp_path / "server", **{"slots": 2, "requests_per_s": 100_000, "isolation": "off", **place, **more})


def done(door: Door, job_id: str) -> int:
    answer = door.get(f"/v1/customer/jobs/{job_id}")
    return int(answer.json()["job"]["progress"]["done"]) if answer.status_code == 200 else 0


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["away", "cut"])
def test_the_store_is_away_in_the_middle_of_a_job(tmp_path: Path, way: Gate, how: str) -> None:
    server = serving(tmp_path, way).start()
    try:
        with server.door() as door:
            wanted = {"partitioner": "replicate", "assembler": "concat"}
            wanted |= {"params": {"partitioner": {"num_replicas": CHUNKS}}}
            job = draft(door, push(door, "slow", SLOW), **wanted)
            run(door, job["id"])
            for share in (0.2, 0.5):
                until("some chunks are done", lambda share=share: done(door, job["id"]) > share * CHUNKS, 60)
                if how == "cut":
                    way.cut()
                    continue
                way.shut()
                before = done(door, job["id"])
                assert way.passed
                _until_nothing_moves(door, job["id"])
                assert before < CHUNKS
                way.open()
            ended(door, job["id"], deadline_s=100)
            results: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
            merged = b"".join(door.get(one["link"]).content for one in results if one["name"] != "provenance.json")
            assert sorted(map(int, merged.split())) == list(range(CHUNKS))
            log = door.get(f"/v1/customer/jobs/{job['id']}/logs/download").text
            assert all(f"chunk {index}\n" in log for index in range(CHUNKS))
    finally:
        assert server.stop() == 0
    store = SqliteStore(server.database, Effects())
    assert store.violations() == []
    store.close()


def _until_nothing_moves(door: Door, job_id: str) -> None:
    """The server answers meanwhile, and what is done stays done."""
    seen: list[int] = []

    def still() -> bool:
        seen.append(done(door, job_id))
        return len(seen) > 20 and len(set(seen[-10:])) == 1

    until("nothing moves", still, 60)


@pytest.mark.timeout(120)
def test_what_a_store_has_is_not_to_be_had_while_it_is_away(tmp_path: Path, way: Gate) -> None:
    server = serving(tmp_path, way, storage_cache_bytes=0).start()
    try:
        with server.door() as door:
            params = {"partitioner": {"num_replicas": 1}}
            job = draft(door, push(door, "slow", SLOW), partitioner="replicate", assembler="concat", params=params)
            run(door, job["id"])
            ended(door, job["id"], deadline_s=60)
            results: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
            way.shut()
            assert door.get(results[0]["link"]).status_code == 503
            assert json_of(door.get(f"/v1/customer/jobs/{job['id']}"))
            way.open()
            assert door.get(results[0]["link"]).status_code == 200
    finally:
        assert server.stop() == 0


@pytest.mark.timeout(120)
def test_a_server_with_the_wrong_store_says_so_and_ends(tmp_path: Path, way: Gate) -> None:
    server = serving(tmp_path, way, storage="s3://not-there/here")
    server.launch()
    assert server._process is not None
    server._process.wait(100)
    assert server.wait() == 3
    assert "no bucket 'not-there'" in server.errors.read_text()


@pytest.mark.timeout(120)
def test_a_server_does_not_take_the_job_data_of_another(tmp_path: Path, way: Gate) -> None:
    server = serving(tmp_path / "first", way).start()
    assert server.stop() == 0
    assert server.start().stop() == 0
    other = serving(tmp_path / "second", way)
    other.launch()
    assert other._process is not None
    other._process.wait(100)
    assert other.wait() == 3
    assert "has the job data of a server with other keys" in other.errors.read_text()


@pytest.mark.timeout(90)
def test_doctor_tells_how_the_store_stands(monkeypatch: pytest.MonkeyPatch, way: Gate) -> None:
    def told(**settings: str) -> Finding:
        for name, value in settings.items():
            monkeypatch.setenv(f"FANFOLD_STORAGE{name}", value)
        return _job_storage()

    assert _job_storage().state is State.OK
    url = f"http://127.0.0.1:{way.port}"
    keys = {"_ACCESS_KEY": KEYS[0], "_SECRET_KEY": KEYS[1]}
    good = told(**{"": "s3://jobs/here", "_ENDPOINT": url, **keys})
    assert (good.state, "written and read in" in good.found) == (State.OK, True)
    missing = told(**{"": "s3://not-there/here"})
    assert (missing.state, "no bucket 'not-there'" in missing.found) == (State.BROKEN, True)
    way.shut()
    away = told(**{"": "s3://jobs/here"})
    assert (away.state, "does not answer" in away.found) == (State.BROKEN, True)
    assert KEYS[1] not in f"{good}{missing}{away}"
