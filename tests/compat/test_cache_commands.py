"""`fanfold cache` against a real server."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compat.scene import People, fresh
from tests.compat.server import FANFOLD

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(people: People, tmp_path: Path) -> Typed:
    """Types `fanfold cache ...` as the administrator of the server's first account."""
    environment = {**os.environ, "FANFOLD_URL": people.server.url, "FANFOLD_API_KEY": people.server.key}

    def type_(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(FANFOLD), "cache", *words]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)

    return type_


@pytest.mark.timeout(90)
@pytest.mark.parametrize("shared", [(), ("--shared",)])
def test_a_file_is_put_listed_and_removed(typed: Typed, tmp_path: Path, shared: tuple[str, ...]) -> None:
    folder = fresh("models")
    (tmp_path / "weights 1.bin").write_bytes(b"x" * 2048)
    assert (made := typed("put", "weights 1.bin", *shared)).returncode == 0, made.stderr
    assert (made := typed("put", "weights 1.bin", f"{folder}/deep/w.bin", *shared)).returncode == 0, made.stderr
    names = {item["name"]: item for item in json.loads(typed("ls", "--json", *shared).stdout)}
    assert names["weights 1.bin"]["size"] == 2048
    assert names[folder]["isFolder"]
    assert "2.0 KiB" in typed("ls", f"{folder}/deep", *shared).stdout
    assert typed("rm", folder, "weights 1.bin", "--yes", *shared).returncode == 0
    assert folder not in typed("ls", *shared).stdout


@pytest.mark.timeout(90)
def test_what_cannot_be_is_told(typed: Typed) -> None:
    missing = typed("put", "nothing.bin")
    assert missing.returncode == 2
    assert "there is no file 'nothing.bin'" in missing.stderr
    assert typed("rm", fresh("nothing"), "--yes").returncode == 2
    assert typed("ls", fresh("nothing")).returncode == 2
