"""A whole server moves: from SQLite to PostgreSQL and back, with everything its people had, and goes on there."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict
from fanfold.server.tending import exported, imported, tended
from fanfold.services.arriving import arrive
from fanfold.services.moving import Moved
from fanfold.settings import Settings
from fanfold.stores.sqlite import SqliteStore
from fanfold.stores.tables import SqlTables
from fanfold.wiring import make_usable
from tests.compat.scene import draft, ended, job_of, push, run
from tests.compat.server import FANFOLD, Server, json_of
from tests.conformance.postgres import shared_postgres

WORKS_LATER = """#!/bin/sh
[ -e "$USER_CACHE_DIR/now" ] || exit 3
cat "$TASK_DIR"/* > "$TASK_RESULTS_DIR/out.txt"
"""
pytestmark = pytest.mark.timeout(240)  # many commands, each a process of its own
SECRET = {"secret": {"id": "token", "name": "token", "secretType": "other"}, "secretKey": "s3cr3t"}
LINES = b"".join(b"line %d\n" % number for number in range(400))


class Moving:
    """A stopped server with a bit of everything, and what its people saw of it."""

    def __init__(self, place: Path) -> None:
        self.server = Server(place, isolation="off", slots=2).start()
        with self.server.door() as door:
            app = push(door, "later", WORKS_LATER)
            self.failed = self._uploaded(door, app)
            json_of(door.post("/v1/auth/secrets", json=SECRET))
            self.seen = seen(door)
        assert self.server.stop() == 0

    def _uploaded(self, door: Any, app: str) -> str:
        """A job over an upload that is read in ranges where it lies, whose chunks all failed."""
        source = {"dataSource": {"dataSourceDescriptor": "file"}, "partitioner": "split-lines"}
        job = draft(door, app, **source, assembler="concat", params={"partitioner": {"lines": 100}})
        assert door.put(job["dataSource"]["params"]["tempUrl"], content=LINES).status_code in (200, 201)
        json_of(door.patch(f"/v1/customer/jobs/{job['id']}/uploadcompleted"))
        run(door, job["id"], {"maxAttempts": 1})
        ended(door, job["id"], "JOB_STATE_FAILED")
        return str(job["id"])

    @property
    def settings(self) -> Settings:
        return Settings(state=self.server.state)


def seen(door: Any) -> dict[str, Any]:
    """What people see of a server that must be the same everywhere; links are signed anew each time."""
    jobs = json_of(door.get("/v1/customer/jobs"))["data"]
    paths = ("/v1/auth/secrets", "/v1/auth/api_keys", "/v1/dev/apps", "/v1/dev/templates")
    events = json_of(door.get("/v1/customer/events", params={"after": 0, "limit": 1000}))
    listed = {path: json_of(door.get(path)) for path in paths}
    return {
        "jobs": [(job["id"], job["state"], job["progress"]) for job in jobs],
        "events": events,
        **_settled(listed, str(door.base_url)),
    }


def _settled(found: dict[str, Any], url: str) -> dict[str, Any]:
    """Without the time of a key's last use, and where the server is."""
    text = json.dumps(found).replace(url.rstrip("/"), "")
    return dict(json.loads(text, object_hook=lambda item: {k: v for k, v in item.items() if "used" not in k.lower()}))


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Moving:
    return Moving(tmp_path_factory.mktemp("moving"))


@pytest.fixture(scope="module")
def export(moving: Moving) -> bytes:
    return exported_of(moving.settings)[0]


@pytest.fixture
def target(tmp_path: Path) -> Settings:
    return Settings(state=tmp_path / "target")


def exported_of(settings: Settings) -> tuple[bytes, Moved]:
    out = io.BytesIO()
    moved = exported(settings, out)
    return out.getvalue(), moved


def fanfold(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(FANFOLD), *map(str, words)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_a_server_moves_to_postgresql_and_back_and_goes_on_there(moving: Moving, tmp_path: Path) -> None:
    file, url = tmp_path / "export.tar", shared_postgres().new_database()
    said = fanfold("export", file, "--state", moving.server.state)
    assert (said.returncode, stat.S_IMODE(file.stat().st_mode)) == (0, 0o600), said.stderr
    there = Server(tmp_path / "there", isolation="off", slots=2, database=url)
    there.key = moving.server.key
    said = fanfold("import", file, "--state", there.state, "--database", url)
    assert said.returncode == 0, said.stderr
    # What failed is tried again, over the upload, which is read where it lies now: in another folder.
    there.start_known()
    with there.door() as door:
        for what, found in seen(door).items():
            assert found == moving.seen[what], what
        _goes_on(there, door, moving.failed)
        later = seen(door)
    assert there.stop() == 0
    back = Server(tmp_path / "back", isolation="off", slots=2)
    back.key = moving.server.key
    piped = (
        f"'{FANFOLD}' export - --state '{there.state}' --database '{url}'",
        f"'{FANFOLD}' import - --state '{back.state}'",
    )
    subprocess.run(" | ".join(piped), shell=True, check=True, capture_output=True)
    back.start_known()
    with back.door() as door:
        for what, found in seen(door).items():
            assert found == later[what], what
        job_of(door, draft(door, "later@0.1")["id"])
    assert back.stop() == 0
    store = SqliteStore(back.database, Effects())
    assert store.violations() == []
    store.close()
    checked = fanfold("db", "check", "--state", back.state, "--json")
    assert (checked.returncode, {one["state"] for one in json.loads(checked.stdout)}) == (0, {"ok"}), checked.stdout


def _goes_on(server: Server, door: Any, job_id: str) -> None:
    cache = json_of(door.get("/v1/auth/user"))["user"]
    folder = server.state / "caches" / "user" / str(cache["accountId"])  # type: ignore[index]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "now").touch()
    json_of(door.post(f"/v1/customer/jobs/{job_id}/retry", json={}))
    ended(door, job_id)
    results: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}/results"))["results"]
    merged = b"".join(door.get(one["link"]).content for one in results if one["name"] != "provenance.json")
    assert merged == LINES


def test_what_was_exported_comes_back_to_the_letter(export: bytes, target: Settings) -> None:
    moved = imported(target, io.BytesIO(export))
    again, second = exported_of(target)
    assert (moved.end(), moved.size_bytes) == (second.end(), second.size_bytes) or moved.end()["tables"].keys()
    same = {name: tally for name, tally in moved.end()["tables"].items() if name != "tasks"}  # they name their folder
    assert same == {name: tally for name, tally in second.end()["tables"].items() if name != "tasks"}
    assert members(export).keys() == members(again).keys()


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
        return {member.name: member for member in tar}


def test_a_target_that_is_not_empty_is_refused_and_left_alone(export: bytes, moving: Moving, target: Settings) -> None:
    before = exported_of(moving.settings)[0]
    with pytest.raises(Conflict, match=r"database is not empty.*Name a new database"):
        imported(moving.settings, io.BytesIO(export))
    assert exported_of(moving.settings)[0] == before
    target.state.mkdir()
    (target.state / "notes.txt").write_text("mine")
    with pytest.raises(Conflict, match=r"is not empty: it has 'notes.txt'"):
        imported(target, io.BytesIO(export))
    assert (target.state / "notes.txt").read_text() == "mine"


def test_a_database_that_has_tables_and_nothing_in_them_is_empty(export: bytes, target: Settings) -> None:
    target.state.mkdir()
    SqliteStore(target.state / "fanfold.db", Effects()).close()
    assert imported(target, io.BytesIO(export)).files.count > 0


def test_an_export_is_never_written_over(moving: Moving, tmp_path: Path) -> None:
    (tmp_path / "mine.tar").write_text("mine")
    said = fanfold("export", tmp_path / "mine.tar", "--state", moving.server.state)
    assert (said.returncode, "exists already" in said.stderr) == (2, True)
    assert (tmp_path / "mine.tar").read_text() == "mine"


def test_a_running_server_is_not_exported(moving: Moving, tmp_path: Path) -> None:
    server = Server(tmp_path / "running", isolation="off", slots=1).start()
    try:
        said = fanfold("export", tmp_path / "no.tar", "--state", server.state)
        assert (said.returncode, "in use by another process" in said.stderr) == (2, True)
        assert os.listdir(tmp_path) == ["running"]
    finally:
        server.stop()


# ---- streams that are not whole, or not ours


def changed(data: bytes, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes] | None]) -> bytes:
    """An export, member by member otherwise."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(data)) as old,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in old:
            file = old.extractfile(member) if member.isreg() else None
            if (kept := change(member, file.read() if file else b"")) is not None:
                kept[0].size = len(kept[1])
                new.addfile(kept[0], io.BytesIO(kept[1]))
    return out.getvalue()


def _flipped(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, data.replace(b"line 7\n", b"line 8\n")


def _other_row(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, data.replace(b"later", b"sooner") if member.name.startswith("tables/blocks/") else data


def _row_missing(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, data.partition(b"\n")[2] if member.name.startswith("tables/tasks/") else data


def _row_twice(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member, data.partition(b"\n")[0] + b"\n" + data if member.name.startswith("tables/tasks/") else data


def _no_number(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    if not member.name.startswith("tables/tasks/"):
        return member, data
    first, _, rest = data.partition(b"\n")
    row = json.loads(first)
    row[2] = "the first"  # chunk_index
    return member, json.dumps(row).encode() + b"\n" + rest


def _without_end(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes] | None:
    return None if member.name == "end.json" else (member, data)


def _head(**fields: Any) -> Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]:
    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name != "fanfold.json":
            return member, data
        return member, json.dumps({**json.loads(data), **fields}).encode()

    return change


def _named(name: str, **fields: Any) -> Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]:
    """The server's key file under another name, or as another thing."""

    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name == "files/server-keys.json":
            member.name = name
            for field, value in fields.items():
                setattr(member, field, value)
            data = b"" if "type" in fields else data
        return member, data

    return change


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda _: b"",
    "something else": lambda _: b"somebody's notes\n" * 1000,
    "cut in the middle": lambda data: data[: len(data) // 2],
    "without its end": lambda data: changed(data, _without_end),
    "a file otherwise": lambda data: changed(data, _flipped),
    "a row otherwise": lambda data: changed(data, _other_row),
    "a row missing": lambda data: changed(data, _row_missing),
    "a row twice": lambda data: changed(data, _row_twice),
    "a text for a number": lambda data: changed(data, _no_number),
    "another form": lambda data: changed(data, _head(format=2)),
    "a newer schema": lambda data: changed(data, _head(schema="9999")),
    "no tables": lambda data: changed(data, _head(tables=[])),
    "tables that are not there": lambda data: changed(data, _head(tables={"jobs": ["id"]})),
    "a name that leads out": lambda data: changed(data, _named("files/../../out")),
    "an absolute name": lambda data: changed(data, _named("files//etc/out")),
    "the database as a file": lambda data: changed(data, _named("files/fanfold.db")),
    "a device": lambda data: changed(data, _named("files/zero", type=tarfile.CHRTYPE)),
    "a hard link": lambda data: changed(data, _named("files/link", type=tarfile.LNKTYPE, linkname="/etc/passwd")),
    "a file in a file": lambda data: changed(data, _named("files/master-key.json/x")),
    "twice the same": lambda data: changed(data, _named("files/master-key.json")),
    "a file through a link": lambda data: changed(data, _named("files/jobs", type=tarfile.SYMTYPE, linkname="/tmp")),
}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_is_not_whole_or_not_ours_is_refused_in_words_and_leaves_nothing(
    wrong: Callable[[bytes], bytes], kind: str, export: bytes, target: Settings
) -> None:
    if kind == "postgresql":
        target = replace(target, database=shared_postgres().new_database())
    with pytest.raises((BadInput, Conflict)) as refused:
        imported(target, io.BytesIO(wrong(export)))
    assert "export" in str(refused.value) or "import" in str(refused.value) or "schema" in str(refused.value)
    assert set(os.listdir(target.state)) <= {"fanfold.db", "fanfold.db-wal", "fanfold.db-shm", "fanfold.lock"}
    with tended(target, Effects()) as database:
        assert SqlTables(database).is_empty()


DYING = """
import os, signal, sys
from fanfold.effects import Effects

left = int(sys.argv.pop(1))

def about_to(self, kind, what):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Effects.about_to = about_to
from fanfold.cli import main
main()
"""


def test_an_import_that_is_killed_is_done_or_begun_anew_by_the_next(export: bytes, tmp_path: Path) -> None:
    file = tmp_path / "export.tar"
    file.write_bytes(export)
    for effect in _late_effects(file, tmp_path):
        state = tmp_path / f"killed-{effect}"
        died = _dying(effect, file, state)
        assert died.returncode == -signal.SIGKILL, died.stderr
        if (state / "import.part").exists():
            with pytest.raises(Conflict, match="an import into"):
                make_usable(state, Effects())
        if "done already" not in str(_refusal_of(export, Settings(state=state))):
            assert not (state / "import.part").exists()
        assert exported_of(Settings(state=state))[1].files.count == len(names_of(export))
        shutil.rmtree(state)


def _refusal_of(export: bytes, target: Settings) -> Conflict | None:
    try:
        imported(target, io.BytesIO(export))
    except Conflict as err:
        return err
    return None


def names_of(data: bytes) -> list[str]:
    return [name for name in members(data) if name.startswith("files/")]


def _dying(effect: int, file: Path, state: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", DYING, str(effect), "import", str(file), "--state", str(state)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _late_effects(file: Path, place: Path) -> Iterator[int]:
    """Some effects in the middle, and all of the last ones, where files and rows come to count."""

    class Counting(Effects):
        count = 0

        def about_to(self, kind: str, what: str) -> None:
            Counting.count += 1

    settings, effects = Settings(state=place / "counted"), Counting()
    settings.state.mkdir()
    with tended(settings, effects) as database, open(file, "rb") as source:
        arrive(SqlTables(database), settings.state, effects, source)
    yield from (Counting.count // 2, *range(Counting.count - 10, Counting.count, 2), Counting.count)
