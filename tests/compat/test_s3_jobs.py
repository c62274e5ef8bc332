"""Jobs whose input and output lie in an S3-compatible store, with keys as a secret of the account or in the job."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import obstore
import pytest

from tests.compat.conftest import Starting
from tests.compat.scene import draft, ended, push, run
from tests.compat.server import FANFOLD, Door, json_of
from tests.conformance.s3_server import KEYS, S3Server, content, s3_server

LINES = b"".join(b"line %d\n" % number for number in range(100))
SPLIT = {"partitioner": "split-lines", "assembler": "concat", "params": {"partitioner": {"lines": 30}}}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as made:
        yield made


@pytest.fixture
def door(starting: Starting) -> Iterator[Door]:
    server = starting(allow_private_urls="on", isolation="off")
    with server.door() as made:
        yield made


def place(store: S3Server, bucket: str, name: str, **keys: Any) -> dict[str, Any]:
    params = {"bucketName": bucket, "endpointUrl": store.url, "name": name, **keys}
    return {"dataSourceDescriptor": "s3-compatible", "params": params}


def test_a_job_goes_from_bucket_to_bucket(store: S3Server, door: Door) -> None:
    objects = store.bucket("from-to")
    obstore.put(objects, "in/text.txt", LINES)
    app = push(door, "copy")
    secret = {"id": "mine", "name": "for the store", "secretType": "s3-compatible", "accessKey": KEYS[0]}
    json_of(door.post("/v1/auth/secrets", json={"secret": secret, "secretKey": KEYS[1]}))
    job = draft(
        door,
        app,
        **SPLIT,
        dataSource=place(store, "from-to", "in/*.txt", accessKey=KEYS[0], secretKey=KEYS[1]),
        dataDestination=place(store, "from-to", "out", secret_id="mine"),
    )
    shown = json.dumps(job)
    assert KEYS[1] not in shown
    assert "job:" not in shown
    run(door, job["id"])
    done = ended(door, job["id"])
    assert (done["numChunks"], done["progress"]["done"]) == (4, 4)
    found = content(objects)
    assert found["out/copy.txt"] == LINES
    assert json.loads(found["out/.fanfold-output.json"])["files"][0]["size"] == len(LINES)


def test_a_place_is_tried_for_real(store: S3Server, door: Door) -> None:
    obstore.put(store.bucket("tried"), "a.txt", b"a")
    good = place(store, "tried", "a.txt", accessKey=KEYS[0], secretKey=KEYS[1])
    preview = json_of(door.post("/v1/customer/datasource/test", json={"dataSource": good}))["preview"]
    assert preview == {"files": [{"name": "a.txt", "size": 1}], "count": 1, "size": 1, "whole": True}
    for bucket, name, said in (("tried", "b.txt", "has no object"), ("not-there", "x/", "no bucket")):
        body: Any = {"dataSource": place(store, bucket, name)}
        answer = door.post("/v1/customer/datasource/test", json=body)
        assert (answer.status_code, said in answer.text) == (400, True), answer.text
    missing = place(store, "tried", "a.txt", secret_id="nobody")
    assert "secret" in door.post("/v1/customer/datasource/test", json={"dataSource": missing}).text


def test_a_store_inside_is_refused_where_the_operator_has_not_allowed_it(store: S3Server, starting: Starting) -> None:
    server = starting(isolation="off")
    with server.door() as door:
        answer = door.post("/v1/customer/datasource/test", json={"dataSource": place(store, "any-bucket", "x")})
    assert answer.status_code == 400
    assert "which is loopback" in answer.text


def test_the_command_tries_places_and_says_what_they_hold(store: S3Server, starting: Starting) -> None:
    objects = store.bucket("by-command")
    for number in range(12):
        obstore.put(objects, f"in/{number:02}.txt", b"x" * 100)
    server = starting(allow_private_urls="on", isolation="off")
    environment = {**os.environ, "FANFOLD_URL": server.url, "FANFOLD_API_KEY": server.key}

    def typed(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(FANFOLD), "datasource", "test", *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment, check=False)

    keys = {"accessKey": KEYS[0], "secretKey": KEYS[1]}
    source, there = (json.dumps(place(store, "by-command", name, **keys)) for name in ("in/", "out/"))
    table = typed(source)
    assert table.stdout.split() == ["file", "bytes", *(text for n in range(10) for text in (f"{n:02}.txt", "100"))]
    assert table.stderr.strip() == "the source works: 12 files, 1,200 bytes"
    told = json.loads(typed("-", "--destination", there, "--json", stdin=source).stdout)
    assert (told["ok"], told["preview"]["count"], len(told["preview"]["files"])) == (True, 12, 10)
    assert "a small object was written and deleted" in typed("--destination", "-", stdin=there).stderr
    assert [key for key in content(objects) if key.startswith("out/")] == []
    missing = typed(json.dumps(place(store, "no-such-bucket", "in/", **keys)))
    assert (missing.returncode, "there is no bucket 'no-such-bucket'" in missing.stderr) == (2, True)
    assert "nothing to try" in typed().stderr
    assert KEYS[1] not in table.stdout + table.stderr + missing.stderr
