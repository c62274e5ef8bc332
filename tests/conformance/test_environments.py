"""Programs in an environment: packages are there, warm and fresh alike, and run as nobody but the program's user."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.platforms import bubblewrap
from fanfold.ports.platform import Rules, Walls
from fanfold.runner.environments import UvEnvironments
from fanfold.runner.process_tree import adopt_orphans
from tests.conformance.programs import PROGRAMS
from tests.conformance.starting import Starter
from tests.wheels import make_wheel

pytestmark = pytest.mark.needs(module="uv")

TELLS_WHO = "import os, pathlib; pathlib.Path('/tmp/who').open('a').write(f'{os.getuid()} {os.getgroups()}\\n')\n"
SEEN_ALIKE = ("an exception", "atexit", "argv", "the path", "flags", "the environment", "a subprocess", "what main is")


@dataclass(frozen=True)
class Place:
    """Starters of fresh and of warm programs on one environment."""

    fresh: Starter
    warm: Starter
    walled: bool


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The interpreter of an environment whose packages run code at its start."""
    folder = tmp_path_factory.mktemp("packages")
    os.chmod(folder, 0o755)
    make_wheel(folder / "wheels", "greeting", "1.0", {"greeting.py": "WORD = 'hello'\n", "who.pth": TELLS_WHO})
    made = UvEnvironments(
        folder / "environments", sys.executable, Effects(), index="none", links=[str(folder / "wheels")]
    )
    yield made.build(["greeting"], lambda: False).python
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, 0o700)


@pytest.fixture(params=["off"] if bubblewrap.problem() else ["off", "on"], ids=lambda isolation: f"sandbox {isolation}")
def place(request: pytest.FixtureRequest, tmp_path: Path, python: str) -> Iterator[Place]:
    adopt_orphans()
    (tmp_path / "package").mkdir()
    walls = Walls(owner="somebody", preload=("greeting",))
    fresh, warm = (
        Starter(tmp_path, Rules(isolation=request.param, warm=warm), walls, python) for warm in (False, True)
    )
    yield Place(fresh, warm, request.param == "on")
    fresh.platform.close()
    warm.platform.close()


@pytest.mark.parametrize("name", SEEN_ALIKE)
def test_a_program_in_an_environment_sees_the_same_warm_and_fresh(name: str, place: Place) -> None:
    expected = place.fresh.run(PROGRAMS[name])
    assert [place.warm.run(PROGRAMS[name]) for _ in range(2)] == [expected, expected]


def test_a_module_of_the_environment_is_imported_beforehand(place: Place) -> None:
    asked = "import sys\nearly = 'greeting' in sys.modules\nimport greeting\nprint(early, greeting.WORD)"
    assert place.warm.run(asked).output == "True hello\n"
    assert place.fresh.run(asked).output == "False hello\n"


def test_code_of_a_package_that_runs_at_a_start_runs_as_the_programs_user_from_the_first_moment(place: Place) -> None:
    if not place.walled:
        pytest.skip("without a sandbox there is one user")
    for starter in (place.fresh, place.warm):
        who = starter.run("import os\nprint(os.getuid(), os.getgroups())\nprint(open('/tmp/who').read(), end='')")
        program, *starts = who.output.splitlines()
        assert set(starts) == {program}
        assert os.getuid() != 0 or program == f"{bubblewrap.uid_of('somebody')} []"


def test_no_program_can_write_into_the_environment_that_all_share(place: Place, python: str) -> None:
    if not place.walled and os.getuid() == 0:
        pytest.skip("without a sandbox root may write anywhere")
    tried = "import os, sys, greeting\nfor path in (greeting.__file__, sys.prefix + '/new'):\n"
    tried += "    try:\n        open(path, 'a')\n    except OSError as err:\n        print('refused')\n"
    tried += "    try:\n        os.chmod(sys.prefix, 0o777)\n    except OSError as err:\n        print('refused')\n"
    assert place.warm.run(tried).output == "refused\n" * 4
