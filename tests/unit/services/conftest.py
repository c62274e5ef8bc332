"""What tests of services of files ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path / "state")
    yield made
    made.store.close()
