"""A task of a server is fetched and run again here: the same chunk, params and exit reason; no secret is fetched."""

import json
import os
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.compat.conftest import Starting
from tests.compat.scene import People, draft, ended, fresh, push, run
from tests.compat.server import FANFOLD, Door, Server, json_of

LINES = "".join(f"line {number:03}\n" for number in range(10)).encode()
PICKY = """#!/bin/sh
echo "chunk $FANFOLD_CHUNK_INDEX of $FANFOLD_NUM_CHUNKS, params $APP_PARAMS, key ${SECRET_KEY_VALUE:-none}"
if grep -q "line 007" "$TASK_DIR/data.bin"; then echo "ValueError: 7 is bad"; exit 3; fi
cp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/copy.txt"
"""


def failed_job(door: Door, app: str, **fields: Any) -> dict[str, Any]:
    """A job over the lines, a line a chunk, of which chunk 7 failed."""
    wanted = {
        "partitioner": "split-lines",
        "params": {"partitioner": {"lines": 1}, "app": {"word": "ünï"}},
        "dataSource": {"dataSourceDescriptor": "file", "params": {"name": "lines.txt"}},
        "config": {"maxAttempts": 1, "onFailure": "finish", "reuse": "off"},
    }
    job = draft(door, app, **{**wanted, **fields})
    if "dataSource" not in fields:
        json_of(door.put(job["dataSource"]["params"]["tempUrl"], content=LINES))
        json_of(door.post(f"/v1/customer/jobs/{job['id']}/uploadcompleted"))
    run(door, job["id"])
    return ended(door, job["id"], "JOB_STATE_FAILED")


class Desk:
    """Where somebody types `fanfold task`."""

    def __init__(self, server: Server, key: str, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "FANFOLD_URL": server.url, "FANFOLD_API_KEY": key}

    def type(self, *words: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
        ended = subprocess.run(
            [str(FANFOLD), "task", *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**self.environment, **more},
            cwd=self.folder,
            check=False,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return ended


@pytest.fixture
def desk(people: People, tmp_path: Path) -> Desk:
    key = next(key for (account, role), key in people.keys.items() if account == "ours" and role.value == "developer")
    return Desk(people.server, key, tmp_path)


def test_a_failed_task_fails_here_for_the_same_reason_and_is_mended_here(people: People, desk: Desk) -> None:
    job = failed_job(people.developer, push(people.developer, fresh("picky"), PICKY))
    pulled = desk.type("pull", job["id"], "7")
    assert "fanfold task run task-7" in pulled.stderr
    folder = desk.folder / "task-7"
    assert (folder / "chunk" / "data.bin").read_bytes() == b"line 007\n"
    told = json.loads((folder / "replay.json").read_text())
    assert (told["exitCode"], told["params"]) == (3, {"word": "ünï"})
    ran = desk.type("run", "task-7", "--json", code=1)
    report = json.loads(ran.stdout)
    assert (report["ok"], report["reason"], report["exitCode"]) == (False, "exit_code", 3)
    assert 'chunk 7 of 10, params {"word": "' in ran.stderr
    assert "ValueError: 7 is bad" in ran.stderr
    program = folder / "block" / "app" / "main.sh"
    program.write_text(PICKY.replace("exit 3", "true"))
    mended = desk.type("run", "task-7", "--json")
    assert "not as it was pulled" in mended.stderr
    assert [file["path"] for file in json.loads(mended.stdout)["files"]] == ["copy.txt"]


def test_a_task_is_named_by_its_id_too_and_a_folder_is_not_written_over(people: People, desk: Desk) -> None:
    job = failed_job(people.developer, push(people.developer, fresh("picky"), PICKY))
    tasks: Any = json_of(people.developer.get(f"/v1/customer/jobs/{job['id']}/tasks"))["data"]
    desk.type("pull", job["id"], tasks[3]["id"], "--in", "again")
    assert (desk.folder / "again" / "chunk" / "data.bin").read_bytes() == b"line 003\n"
    assert "name another place with --in" in desk.type("pull", job["id"], "3", "--in", "again", code=2).stderr
    assert "there is no task" in desk.type("pull", job["id"], "99", "--in", "other", code=2).stderr
    assert not (desk.folder / "other").exists()


def test_no_secret_is_fetched_and_the_environment_may_give_it(people: People, desk: Desk) -> None:
    value = "wJalrXUtnFEMI-K7MDENG"
    secret = fresh("picky-key").replace("-", "_")
    new = {"secret": {"id": secret, "secretType": "other"}, "secretKey": value}
    json_of(people.developer.post("/v1/auth/secrets", json=new))
    name = f"{secret.upper()}"
    program = PICKY.replace("SECRET_KEY_VALUE", name)
    app = push(people.developer, fresh("keyed"), program, platform_config={"secrets": [secret]})
    job = failed_job(people.developer, app)
    archive = people.developer.get(f"/v1/customer/jobs/{job['id']}/tasks/7/replay")
    assert archive.status_code == 200
    with zipfile.ZipFile(BytesIO(archive.content)) as opened:
        assert not [entry for entry in opened.namelist() if value.encode() in opened.read(entry)]
    desk.type("pull", job["id"], "7")
    assert secret in desk.type("run", "task-7", code=2).stderr
    variables = [f"FANFOLD_SECRET_{name}", name, f"{name}_SECRET_KEY"]
    ran = desk.type("run", "task-7", code=1, **dict.fromkeys(variables, "given here"))
    assert "ValueError" in ran.stdout + ran.stderr
    assert value not in ran.stdout + ran.stderr
    assert not [path for path in desk.folder.rglob("*") if path.is_file() and b"given here" in path.read_bytes()]


def test_a_range_of_a_local_source_comes_as_its_app_saw_it(starting: Starting, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "rows.csv"
    source.write_text("name\n" + LINES.decode())
    server = starting(isolation="off", local_folders=str(tmp_path / "in"))
    with server.door() as door:
        place = {"dataSourceDescriptor": "local", "params": {"path": str(source)}}
        params = {"partitioner": {"lines": 1, "header": 1}}
        app = push(door, "picky", PICKY)
        job = failed_job(door, app, dataSource=place, params=params)
        desk = Desk(server, server.key, tmp_path)
        desk.type("pull", job["id"], "7")
        assert (tmp_path / "task-7" / "chunk" / "data.bin").read_bytes() == b"name\nline 007\n"
        source.write_text("name\n" + LINES.decode().upper())
        assert "was changed after it was split" in desk.type("pull", job["id"], "6", code=2).stderr
        source.unlink()
        assert "gone" in desk.type("pull", job["id"], "6", code=2).stderr
    assert not (tmp_path / "task-6").exists()


@pytest.mark.parametrize(
    "told",
    ["", "[]", "{}", '{"jobId": 1}', '{"jobId": "j", "taskId": "t", "sha256": "", "params": [], "chunkIndex": true}'],
)
def test_a_folder_that_was_not_pulled_is_refused_in_words(desk: Desk, told: str) -> None:
    folder = desk.folder / "odd"
    folder.mkdir()
    assert "fanfold task pull" in desk.type("run", "odd", code=2).stderr
    (folder / "replay.json").write_text(told)
    refused = desk.type("run", "odd", code=2).stderr
    assert "replay.json" in refused
    assert "Traceback" not in refused
