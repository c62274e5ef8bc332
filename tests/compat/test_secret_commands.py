"""`fanfold secret` against a real server: values come by file or pipe, never as arguments, and never come back."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.scene import People, fresh, push
from tests.compat.server import FANFOLD, json_of

VALUE = "wJalrXUtnFEMI/K7MDENG+bPxRfi"

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(people: People, tmp_path: Path) -> Typed:
    """Types `fanfold secret ...` as the administrator of the server's first account."""
    environment = {**os.environ, "FANFOLD_URL": people.server.url, "FANFOLD_API_KEY": people.server.key}

    def type_(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [str(FANFOLD), "secret", *words]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False
        )

    return type_


def test_a_secret_is_put_from_a_pipe_listed_and_deleted(typed: Typed) -> None:
    name = fresh("piped")
    made = typed("put", name, "--file", "-", "--name", "for tests", "--days", "30", stdin=f"{VALUE}\n")
    assert made.returncode == 0, made.stderr
    listed = typed("list", "--json")
    [found] = [secret for secret in json.loads(listed.stdout) if secret["id"] == name]
    assert (found["secretType"], found["name"], found["expired"]) == ("other", "for tests", False)
    assert found["expiresAt"]
    assert name in typed("list").stdout
    assert VALUE not in made.stdout + made.stderr + listed.stdout
    assert typed("delete", name, "--yes").returncode == 0
    assert name not in typed("list").stdout
    assert f"there is no secret '{name}'" in typed("delete", name, "--yes").stderr


def test_a_pair_is_put_from_a_file(typed: Typed, tmp_path: Path) -> None:
    name = fresh("pair")
    (tmp_path / "value.txt").write_text(f"{VALUE}\r\n")
    made = typed("put", name, "--type", "s3", "--access-key", "AKIA", "--file", "value.txt", "--json")
    assert made.returncode == 0, made.stderr
    found = json.loads(made.stdout)
    assert (found["secretType"], found["accessKey"]) == ("aws", "AKIA")


def test_without_a_terminal_there_is_nobody_to_ask(typed: Typed) -> None:
    refused = typed("put", "key")
    assert refused.returncode == 2
    assert "--file -" in refused.stderr


def test_what_cannot_be_read_is_told(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert "not text in UTF-8" in typed("put", "key", "--file", "binary").stderr
    assert "cannot be read" in typed("put", "key", "--file", "missing").stderr


def test_a_block_is_granted_a_secret_and_the_grant_is_taken_back(people: People, typed: Typed) -> None:
    name = fresh("granted")
    tag = push(people.stranger, fresh("shared"), platform_config={"secrets": [name]})
    json_of(people.stranger.post(f"/v1/dev/apps/{tag}/publish"))
    json_of(people.root.post(f"/v1/dev/apps/{tag}/import"))
    assert typed("put", name, "--file", "-", stdin=VALUE).returncode == 0
    granted = typed("grant", name, tag)
    assert granted.returncode == 0, granted.stderr
    assert f"'{tag}' (revision 1) gets the secret '{name}'" in granted.stderr
    assert tag in typed("list").stdout
    assert typed("revoke", name, tag).returncode == 0
    assert tag not in typed("list").stdout


def test_the_master_key_is_rotated(people: People, typed: Typed) -> None:
    before = (people.server.state / "master-key.json").read_text()
    assert typed("put", fresh("kept"), "--file", "-", stdin=VALUE).returncode == 0
    rotated = typed("rotate")
    assert rotated.returncode == 0, rotated.stderr
    assert "wrapped with a new master key" in rotated.stderr
    assert (people.server.state / "master-key.json").read_text() != before
