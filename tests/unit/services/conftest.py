"""What tests of services of files ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.people import People, people_of_a_server
from tests.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path / "state")
    yield made
    made.store.close()


@pytest.fixture
def people() -> Iterator[People]:
    """A server at its first start."""
    with people_of_a_server() as made:
        yield made
