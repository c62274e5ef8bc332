"""What acceptance tests may ask for."""

from pathlib import Path

import pytest

from tests.acceptance.command import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder to type commands in, with a text of a hundred lines."""
    made = Desk(tmp_path)
    made.write("input.txt", "".join(f"line {number}\n" for number in range(100)))
    return made
