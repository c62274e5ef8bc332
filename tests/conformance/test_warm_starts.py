"""A program cannot tell, and nobody can tell by it, whether it was started fresh or as a fork of a prepared process."""

import os
from collections.abc import Iterator

import pytest

from fanfold.platforms import bubblewrap
from fanfold.ports.platform import Rules, Walls
from fanfold.runner.process_tree import adopt_orphans
from tests.conformance.programs import DIFFERENT, PARCEL, PROGRAMS, SIBLING
from tests.conformance.starting import Seen, Starter


def isolations() -> list[str]:
    return ["off"] if bubblewrap.problem() else ["off", "on"]


@pytest.fixture(scope="module", params=isolations(), ids=lambda isolation: f"sandbox {isolation}")
def starters(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Starter, Starter, Starter]]:
    """A starter of fresh processes, one of warm ones, and one of those that run again and again."""
    adopt_orphans()
    place = tmp_path_factory.mktemp("starts")
    os.chmod(place, 0o755)
    (place / "package" / "parcel").mkdir(parents=True)
    (place / "package" / "sibling.py").write_text(SIBLING)
    for name, text in PARCEL.items():
        (place / "package" / "parcel" / name).write_text(text)
    fresh, warm = (Starter(place, Rules(isolation=request.param, warm=warm)) for warm in (False, True))
    again = Starter(place, Rules(isolation=request.param), Walls(owner="somebody", reentrant=True))
    yield fresh, warm, again
    for starter in (fresh, warm, again):
        starter.platform.close()


def again(starter: Starter, text: str) -> tuple[Seen, Seen]:
    """Two runs, one after the other; those of a warm starter are forks of one process."""
    starter.platform.close()  # the program is another one than the last
    return starter.run(text), starter.run(text)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_sees_and_leaves_the_same(name: str, starters: tuple[Starter, Starter, Starter]) -> None:
    if "/dev/shm" in PROGRAMS[name] and starters[0].rules.isolation == "off":
        pytest.skip("without a sandbox the folder is everybody's")
    fresh, warm, _ = starters
    first, second = again(warm, PROGRAMS[name])
    expected, _ = again(fresh, PROGRAMS[name])
    assert first == expected
    assert second == expected


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_must_differ_from_run_to_run_does(name: str, starters: tuple[Starter, Starter, Starter]) -> None:
    first, second = again(starters[1], DIFFERENT[name])
    assert first.status == second.status == 0
    assert first.output != second.output


@pytest.mark.parametrize(
    "name", sorted(PROGRAMS.keys() - {"no descriptor is inherited"})
)  # it has two pipes to its zygote
def test_a_program_that_one_process_may_run_again_sees_and_leaves_the_same(
    name: str, starters: tuple[Starter, Starter, Starter]
) -> None:
    if "/dev/shm" in PROGRAMS[name] and starters[0].rules.isolation == "off":
        pytest.skip("without a sandbox the folder is everybody's")
    fresh, _, repeating = starters
    expected, _ = again(fresh, PROGRAMS[name])
    assert [*again(repeating, PROGRAMS[name]), repeating.run(PROGRAMS[name])] == [expected] * 3
