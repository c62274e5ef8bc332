"""A first start that could not print its key, or was killed before: the next one prints it, and it lets somebody in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.compat.server import Server, json_of
from tests.pace import patience

KEY_FILE = "first-key.txt"


def test_a_key_that_nobody_could_read_is_told_at_the_next_start(tmp_path: Path) -> None:
    server = Server(tmp_path / "server")
    server.folder.mkdir()
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as nobody, server.errors.open("w") as errors:
        ended = subprocess.run(server.command(), stdout=nobody, stderr=errors, timeout=patience(25), check=False)
    assert ended.returncode != 0
    assert server.database.exists()
    key = (server.state / KEY_FILE).read_text().strip()

    server.launch()
    try:
        server.url = server._told(server._lines(), "Fanfold serves at ")
        server.key = server._told(server._lines(), "API key, shown this once: ")
        assert server.key == key
        with server.door() as door:
            assert json_of(door.get("/v1/auth/user"))
            assert "word-count" in door.get("/v1/dev/apps").text
    finally:
        server.stop()
    assert not (server.state / KEY_FILE).exists()
