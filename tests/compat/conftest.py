"""One real server for the whole directory (one a worker process), with two accounts and their people."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.compat.scene import FAIL, HOLD, People, fresh, push
from tests.compat.server import Server

Starting = Callable[..., Server]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that all tests share; none may stop it. Its programs wait for files of the tests: no sandbox."""
    made = Server(tmp_path_factory.mktemp("server"), slots=2, requests_per_s=100_000, isolation="off").start()
    yield made
    assert made.stop() == 0


@pytest.fixture(scope="session")
def people(server: Server) -> Iterator[People]:
    """Accounts `ours` and `theirs`."""
    made = People(server)
    yield made
    made.close()


@pytest.fixture(scope="session")
def copy_app(people: People) -> str:
    """An app of `ours` whose result is its chunk."""
    return push(people.developer, "copy")


@pytest.fixture(scope="session")
def failing_app(people: People) -> str:
    """An app of `ours` that never works."""
    return push(people.developer, "failing", FAIL)


@pytest.fixture(scope="session")
def holding_app(people: People) -> str:
    """An app of `ours` that ends when the file that its param `until` names is there."""
    return push(people.developer, "holding", HOLD)


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Starting]:
    """Makes servers of the test's own, which it may kill; they are stopped afterwards."""
    made: list[Server] = []

    def start(**settings: object) -> Server:
        server = Server(tmp_path / fresh("server"), **{"slots": 2, "requests_per_s": 100_000, **settings})
        made.append(server)
        return server.start()

    yield start
    for server in made:
        server.stop()
