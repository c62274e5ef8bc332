"""What tests of routes ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.serving import Served, Socket, listening, served


@pytest.fixture(scope="session")
def door_socket() -> Iterator[Socket]:
    """One socket for all tests of a process."""
    with listening() as made:
        yield made


@pytest.fixture
def server(door_socket: Socket, tmp_path: Path) -> Iterator[Served]:
    """A server with an empty store and nothing on disk."""
    with served(door_socket, tmp_path / "state") as made:
        yield made
