"""A server installs what a pushed block requires, once for all accounts, and behind its sandbox."""

import base64
import json
import os
from pathlib import Path

import pytest

from fanfold.jobs.access import UserRole
from tests.compat.conftest import Starting
from tests.compat.scene import OURS, THEIRS, People, archive_of, done, draft, ended, run
from tests.compat.server import Door, json_of
from tests.wheels import make_wheel

pytestmark = pytest.mark.needs(module="uv")

GREET = """import os, sys, greeting
open(os.environ["TASK_RESULTS_DIR"] + "/said.txt", "w").write(greeting.WORD)
print(sys.prefix)
"""


def pushed(door: Door, wanted: str) -> str:
    manifest = {"name": "greet", "version": "0.1", "reentrant": True}
    files = {"app/main.py": GREET, "manifest.json": json.dumps(manifest), "requirements.txt": wanted}
    json_of(door.post("/v1/dev/apps", json={"archive": base64.b64encode(archive_of(files)).decode()}))
    json_of(door.post("/v1/dev/apps/greet@0.1/activate"))
    return "greet@0.1"


def test_accounts_share_what_their_blocks_require(starting: Starting, tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "greeting", "1.0", {"greeting.py": "WORD = 'hello'\n"})
    server = starting(package_index="none", package_folders=tmp_path / "wheels")
    people = People(server)
    try:
        for account in (OURS, THEIRS):
            door = people.door(UserRole.DEVELOPER, account)
            done(door, pushed(door, "greeting>=1\n"))
        assert len(list((server.state / "environments").glob("*/pyvenv.cfg"))) == 1
        door = people.door(UserRole.DEVELOPER)
        job = draft(door, pushed(door, "absent-from-everywhere\n"))
        run(door, job["id"])
        job = ended(door, job["id"], "JOB_STATE_FAILED")
        assert "absent-from-everywhere" in job["errorMessage"]
    finally:
        people.close()
        for folder, _, _ in os.walk(server.state / "environments"):
            os.chmod(folder, 0o700)
