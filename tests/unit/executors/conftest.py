"""A crew of workers whose clock is set by hand."""

import pytest

from fanfold.executors.ray_crew import Crew
from tests.unit.executors.test_ray_crew import Hands


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def crew(clock: Hands) -> Crew:
    return Crew(clock, 1.0)
