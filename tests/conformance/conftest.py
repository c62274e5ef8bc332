"""The adapters of every port. A suite asks for the port's fixture and runs once for each adapter."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.executors import ray
from fanfold.ports.store import Store
from fanfold.stores.postgres import PostgresStore
from fanfold.stores.sqlite import SqliteStore
from tests.conformance.postgres import shared_postgres
from tests.pace import patience

STORES: dict[str, Callable[[Path], Store]] = {
    "sqlite-memory": lambda folder: SqliteStore(None, Effects()),
    "sqlite-file": lambda folder: SqliteStore(folder / "fanfold.db", Effects()),
    "postgres": lambda folder: PostgresStore(shared_postgres().new_database(), Effects()),
}
"""One line a database: how a test gets an empty one."""


@pytest.fixture(autouse=True)
def patient_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Ray executor waits for its cluster for as long as other tests may delay that."""
    monkeypatch.setattr(ray, "CONNECT_S", patience(ray.CONNECT_S))


@pytest.fixture(params=STORES)
def bare_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, whose rows a test may break."""
    made = STORES[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def store(bare_store: Store) -> Iterator[Store]:
    """An empty store. Whatever a test does to it, its rows do not contradict each other at the end."""
    yield bare_store
    assert bare_store.violations() == []
