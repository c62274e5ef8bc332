"""`fanfold db check` says what is wrong with a database, its keys and its files, and what helps."""

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from fanfold.stores import migrate
from tests.compat.scene import People, done, push
from tests.compat.server import FANFOLD, Server, json_of, until
from tests.conformance.postgres import shared_postgres
from tests.pace import patience

pytestmark = pytest.mark.timeout(240)  # many commands, each a process of its own
SECRET = {"secret": {"id": "token", "name": "token", "secretType": "other"}, "secretKey": "s3cr3t"}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of a server that has a finished job and a secret."""
    server = Server(tmp_path_factory.mktemp("checked"), isolation="off", slots=1).start()
    with server.door() as door:
        done(door, push(door, "copy"))
        json_of(door.post("/v1/auth/secrets", json=SECRET))
    assert server.stop() == 0
    return server.state


@pytest.fixture
def state(stopped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stopped, tmp_path / "state"))


def found(state: Path, *words: str) -> tuple[int, list[dict[str, str]]]:
    """How the check ended, and what was not as it should be."""
    command = [str(FANFOLD), "db", "check", "--json", "--state", str(state), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.stderr == ""
    return ended.returncode, [one for one in json.loads(ended.stdout) if one["state"] != "ok"]


def test_a_server_tells_by_its_metrics_that_no_promise_about_its_jobs_is_broken(people: People, copy_app: str) -> None:
    done(people.developer, copy_app)
    until("it was counted", lambda: "fanfold_violations " in people.nobody.get("/metrics").text, patience(30.0))
    assert "\nfanfold_violations 0.0\n" in people.nobody.get("/metrics").text


def by_sql(*statements: str) -> Callable[[Path], None]:
    def change(state: Path) -> None:
        with closing(sqlite3.connect(state / "fanfold.db")) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return change


def _cut_off(state: Path) -> None:
    os.truncate(state / "fanfold.db", (state / "fanfold.db").stat().st_size // 2)


WRONG: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no database": (lambda state: (state / "fanfold.db").unlink(), "has no fanfold.db", "--state"),
    "cut off": (_cut_off, "", "copy from before"),
    "a newer release": (by_sql("UPDATE alembic_version SET version_num = '9999'"), "of a newer release", "Use that"),
    "another program": (by_sql("DROP TABLE alembic_version"), "is not Fanfold's", "copy from before"),
    "a table less": (by_sql("DROP TABLE events"), "lacks the tables 'events'", "copy from before"),
    "a column less": (by_sql("ALTER TABLE audit RENAME object TO objekt"), "columns object", "copy from before"),
    "an index less": (by_sql("DROP INDEX jobs_by_state"), "indexes jobs_by_state", "fanfold db migrate"),
    "a wrong row": (by_sql("UPDATE jobs SET tasks_done = 7"), "count of done tasks differs", "report"),
    "no server key": (lambda state: (state / "server-keys.json").unlink(), "API keys need it", "from a backup"),
    "no master key": (lambda state: (state / "master-key.json").unlink(), "secrets are sealed with", "FANFOLD_MASTER"),
    "files of nobody": (lambda state: (state / "jobs" / "gone").mkdir(), "job that does not exist: job gone", "report"),
    "half an import": (lambda state: (state / "import.part").mkdir(), "was cut short", "Import again"),
}


@pytest.mark.parametrize(("spoil", "said", "mend"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_with_what_helps(
    spoil: Callable[[Path], object], said: str, mend: str, state: Path
) -> None:
    spoil(state)
    code, wrong = found(state)
    assert code == 3
    assert [one for one in wrong if said in one["found"] and mend in one["mend"]], wrong
    assert (state / "fanfold.db").exists() == ("fanfold.db" not in said)


def test_a_whole_one_is_right_and_one_in_use_is_not_looked_at(state: Path) -> None:
    assert found(state) == (0, [])
    server = Server(state.parent, isolation="off", slots=1).start_known()
    try:
        code, [one] = found(state)
        assert (code, one["state"], "Stop the server" in one["mend"] or "stop" in one["mend"]) == (0, "missing", True)
    finally:
        server.stop()


def test_postgresql_is_looked_at_from_empty_to_in_use(tmp_path: Path) -> None:
    url = shared_postgres().new_database()
    code, wrong = found(tmp_path, "--database", url)
    assert (code, [one["what"] for one in wrong if one["what"] != "durability"]) == (3, ["schema"])
    assert "fanfold db migrate" in next(one for one in wrong if one["what"] == "schema")["mend"]
    command = [str(FANFOLD), "db", "migrate", "--state", str(tmp_path), "--database", url]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"made the tables of schema {migrate.HEAD}" in made.stderr
    # The tests' own server does not wait for the disk, and is told so.
    assert {one["what"] for one in found(tmp_path, "--database", url)[1]} == {"durability"}
    server = Server(tmp_path, isolation="off", slots=1, database=url)
    server.start()
    try:
        assert {one["what"] for one in found(server.state, "--database", url)[1]} == {"durability", "files"}
    finally:
        server.stop()
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "of a newer release" in str(found(server.state, "--database", url)[1])
