"""Accounts, people and blocks on a real server, made through its own API as a person would."""

from __future__ import annotations

import base64
import io
import itertools
import json
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from fanfold.jobs.access import UserRole
from tests.compat.server import DEADLINE_S, Door, Server, json_of, until

OURS, THEIRS = "ours", "theirs"

COPY = """#!/bin/sh
echo "INFO: chunk $FANFOLD_CHUNK_INDEX"
cp "$TASK_DIR/data.bin" "$TASK_RESULTS_DIR/copy.txt"
"""
FAIL = """#!/bin/sh
echo "ERROR: this one never works"
exit 3
"""
HOLD = """#!/bin/sh
# Waits until a file of the name that the params hold is there, for a minute at most.
place=$(printf %s "$APP_PARAMS" | sed 's/.*"until": *"\\([^"]*\\)".*/\\1/')
for _ in $(seq 1200); do
  [ -e "$place" ] && echo done > "$TASK_RESULTS_DIR/out.txt" && exit 0
  sleep 0.05
done
exit 1
"""

ENDED = ("JOB_STATE_COMPLETE", "JOB_STATE_FAILED")

_numbers = itertools.count()


def fresh(prefix: str) -> str:
    """A name that nothing else has, and that is no part of another."""
    return f"{prefix}-{next(_numbers):05}"


class People:
    """Two accounts with a user of every role each, signed in."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._open = ExitStack()
        self.root = self._entered(server.door())
        self.nobody = self._entered(Door(server.url))
        self.ids: dict[tuple[str, UserRole], str] = {}
        self.keys: dict[tuple[str, UserRole], str] = {}
        self._made: dict[str, str] = {}
        self._doors: dict[tuple[str, UserRole], Door] = {}
        for account in (OURS, THEIRS):
            json_of(self.root.post("/v1/auth/accounts", json={"id": account, "name": account}))
            for role in UserRole:
                self._hire(account, role)

    def _entered(self, door: Door) -> Door:
        return self._open.enter_context(door)

    def _hire(self, account: str, role: UserRole) -> None:
        wanted = {"accountId": account, "name": f"{role.value} of {account}", "role": role.value}
        user: Any = json_of(self.root.post("/v1/auth/users", json=wanted))["user"]
        made = json_of(self.root.post("/v1/auth/api_keys", json={"name": "theirs", "userId": user["id"]}))
        self.ids[account, role], self.keys[account, role] = user["id"], str(made["key"])
        self._doors[account, role] = self._entered(self.server.door(str(made["key"])))

    def door(self, role: UserRole, account: str = OURS) -> Door:
        return self._doors[account, role]

    @property
    def viewer(self) -> Door:
        return self.door(UserRole.VIEWER)

    @property
    def submitter(self) -> Door:
        return self.door(UserRole.SUBMITTER)

    @property
    def developer(self) -> Door:
        return self.door(UserRole.DEVELOPER)

    @property
    def stranger(self) -> Door:
        """A developer of the other account."""
        return self.door(UserRole.DEVELOPER, THEIRS)

    def once(self, name: str, make: Callable[[], str]) -> str:
        """What `make` made when it was first asked for under this name."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def app(self, account: str) -> str:
        """An app of an account whose result is its chunk."""
        return self.once(f"app of {account}", lambda: push(self.door(UserRole.DEVELOPER, account), f"copy-{account}"))

    def a_finished_job(self, account: str) -> str:
        """A job of an account, with one task, that came to its end."""
        owner = self.door(UserRole.DEVELOPER, account)
        return self.once(f"job of {account}", lambda: str(done(owner, self.app(account))["id"]))

    def close(self) -> None:
        self._open.close()


def archive_of(files: dict[str, str]) -> bytes:
    """A zip archive, its programs executable."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def block_of(name: str, program: str = COPY, **manifest: Any) -> bytes:
    """A block's archive."""
    described = {"name": name, "version": "0.1", "entrypoint": "main.sh", "platform": "process", **manifest}
    return archive_of({"app/main.sh": program, "manifest.json": json.dumps(described)})


def push(door: Door, name: str, program: str = COPY, group: str = "app", **manifest: Any) -> str:
    """Push and activate a block; its tag."""
    if group == "engine":
        manifest.setdefault("type", "partitioner")
    archive = base64.b64encode(block_of(name, program, **manifest)).decode()
    json_of(door.post(f"/v1/dev/{group}s", json={"archive": archive}))
    tag = f"{name}@{manifest.get('version', '0.1')}"
    json_of(door.post(f"/v1/dev/{group}s/{tag}/activate"))
    return tag


def draft(door: Door, app: str, **fields: Any) -> dict[str, Any]:
    """A job that has not been run: one chunk, its output kept by the server."""
    wanted = {"app": app, "dataDestination": {"dataSourceDescriptor": "bucket"}, **fields}
    job: Any = json_of(door.post("/v1/customer/jobs", json=wanted))["job"]
    return dict(job)


def job_of(door: Door, job_id: str) -> dict[str, Any]:
    job: Any = json_of(door.get(f"/v1/customer/jobs/{job_id}"))["job"]
    return dict(job)


def run(door: Door, job_id: str, config: dict[str, Any] | None = None) -> None:
    json_of(door.post(f"/v1/customer/jobs/{job_id}/run", json=config or {}))


def ended(door: Door, job_id: str, state: str = "JOB_STATE_COMPLETE", deadline_s: float = DEADLINE_S) -> dict[str, Any]:
    """The job once it has ended, as it is expected to; found by long polls."""
    found = job_of(door, job_id)

    def over() -> bool:
        nonlocal found
        if found["state"] not in ENDED:
            query = {"wait": 10, "after": found["state"]}
            found = json_of(door.get(f"/v1/customer/jobs/{job_id}", params=query))["job"]  # type: ignore[assignment]
        return found["state"] in ENDED

    until(f"job {job_id} ends", over, max(deadline_s, DEADLINE_S))
    assert found["state"] == state, found["errorMessage"]
    return found


def done(door: Door, app: str, **fields: Any) -> dict[str, Any]:
    """A job that was run to its end."""
    job = draft(door, app, **fields)
    run(door, job["id"])
    return ended(door, job["id"])
