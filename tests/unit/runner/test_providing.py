"""A runner makes what its block's packages need on its own machine, once for all runners there, or says why not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path

import pytest

from fanfold.blobs.files import FileBlobs
from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.errors import Unavailable
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, ProgramFailed, Reason
from fanfold.platforms.process import ProcessPlatform
from fanfold.ports.environments import Environment, EnvironmentPlace
from fanfold.ports.executor import RunOrder
from fanfold.runner import environments, providing
from fanfold.runner.environments import UvEnvironments
from fanfold.runner.providing import NotProvided, Provider
from fanfold.runner.run import Run
from fanfold.runner.storage import at_rest_here
from tests.wheels import make_wheel

pytestmark = pytest.mark.needs(module="uv")

Listed = Callable[[str], RunOrder]


def never() -> bool:
    return False


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    make_wheel(tmp_path / "wheels", "greeting", "1.0", {"greeting.py": "WORD = 'hello'\n"})
    return tmp_path / "wheels"


@pytest.fixture
def listed(wheels: Path, tmp_path: Path) -> Iterator[Listed]:
    """An order for what requires a package, as a server lists it in an environment of its own."""
    server = UvEnvironments(tmp_path / "server", sys.executable, Effects(), index="none", links=[str(wheels)])

    def made(name: str) -> RunOrder:
        server.build([name], never)
        (tmp_path / "list.txt").write_text(server.locked([name]))
        for folder in ("logs", "results"):
            (tmp_path / "job" / folder).mkdir(parents=True)
        (tmp_path / "main.py").touch()
        attempt = AttemptKey(TaskKey("job", Role.APP, 0), 1)
        places = (str(tmp_path / "job"), str(tmp_path / "scratch"), str(tmp_path))
        return RunOrder(attempt, 1, *places, "main.py", ("python3",), environment=str(tmp_path / "list.txt"))

    yield made
    for folder in (path for root in ("server", "node") for path, _, _ in os.walk(tmp_path / root)):
        os.chmod(folder, 0o700)


def on_node(tmp_path: Path, effects: Effects | None = None, wheels: str = "wheels") -> Provider:
    links = (str(tmp_path / wheels),)
    return Provider(effects or Effects(), EnvironmentPlace(str(tmp_path / "node"), sys.executable, "none", links))


def outcome(order: RunOrder, provider: Provider, listen: Callable[[Run], None] = lambda _run: None) -> Outcome:
    """How an attempt ends that cannot even begin."""
    platform = ProcessPlatform(Effects(), SteadyClock())
    run = Run(order, platform, Effects(), SteadyClock(), "runner", 1.0)
    run.provide_by(provider)
    run.begin(lambda: listen(run))
    platform.close()
    assert run.outcome is not None
    return run.outcome


def test_the_runners_of_a_node_make_an_environment_once(listed: Listed, tmp_path: Path) -> None:
    started = []

    class Counting(Effects):
        def about_to(self, kind: str, what: str) -> None:
            if kind == "spawn":
                started.append(what)

    order, blobs = listed("greeting"), at_rest_here(Effects())
    runners = [on_node(tmp_path, Counting()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = {one.interpreter for one in pool.map(lambda one: one.provided(order, blobs, never), runners)}
    assert len(started) == 3  # make, install, compile
    ((python,),) = found
    assert python.startswith(str(tmp_path / "node"))
    said = subprocess.run([python, "-c", "import greeting; print(greeting.WORD)"], capture_output=True, check=True)
    assert said.stdout == b"hello\n"
    runners[0].provided(order, blobs, never)
    assert len(started) == 3


def test_one_that_was_removed_meanwhile_is_made_again(listed: Listed, tmp_path: Path) -> None:
    order, blobs, provider = listed("greeting"), at_rest_here(Effects()), on_node(tmp_path)
    (python,) = provider.provided(order, blobs, never).interpreter
    made = Path(python).parents[1]
    os.chmod(made, 0o700)
    made.rename(tmp_path / "node" / "gone")
    assert provider.provided(order, blobs, never).interpreter == (python,)
    assert Path(python).exists()


def test_an_order_that_asks_for_nothing_stays_as_it_is(listed: Listed) -> None:
    order = RunOrder(listed("greeting").attempt, 1, "", "", "", "main.py", ("python3",))
    assert Provider(Effects()).provided(order, at_rest_here(Effects()), never) is order


def test_a_node_without_uv_fails_the_attempt_and_says_so(
    listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = listed("greeting")
    monkeypatch.setattr(environments, "uv_command", lambda: "")
    failed = outcome(order, on_node(tmp_path))
    assert isinstance(failed, ProgramFailed)
    assert (failed.reason, failed.final) == (Reason.ENVIRONMENT_FAILED, False)
    assert f"cannot be had on node '{os.uname().nodename}'" in failed.message
    assert "there is no uv here" in failed.message


def test_a_package_that_a_node_does_not_find_fails_the_attempt_in_words(listed: Listed, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    failed = outcome(listed("greeting"), on_node(tmp_path, wheels="elsewhere"))
    assert isinstance(failed, ProgramFailed)
    assert failed.reason is Reason.ENVIRONMENT_FAILED
    assert "greeting" in failed.message


def test_a_list_that_is_gone_fails_the_attempt_in_words(listed: Listed, tmp_path: Path) -> None:
    order = listed("greeting")
    Path(order.environment).unlink()
    with pytest.raises(NotProvided, match="retry the job"):
        on_node(tmp_path).provided(order, at_rest_here(Effects()), never)


def test_who_is_stopped_meanwhile_gives_back(listed: Listed, tmp_path: Path) -> None:
    order = listed("greeting")
    with pytest.raises(Unavailable):
        on_node(tmp_path).provided(order, at_rest_here(Effects()), lambda: True)
    assert isinstance(outcome(order, on_node(tmp_path), lambda run: run.stop(Reason.ABORTED)), GivenBack)


def away(monkeypatch: pytest.MonkeyPatch, errors: list[Exception], *, asked_s: float = 60.0) -> None:
    """Let the next installations end with these errors."""
    install = UvEnvironments.install

    def fails(self: UvEnvironments, locked: str, stopped: Callable[[], bool]) -> Environment:
        if errors:
            raise errors.pop(0)
        return install(self, locked, stopped)

    monkeypatch.setattr(UvEnvironments, "install", fails)
    monkeypatch.setattr(providing, "AGAIN_AFTER_S", 0.2)
    monkeypatch.setattr(providing, "ASKED_S", asked_s)


def test_an_index_that_is_away_for_a_while_is_asked_again(
    listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, errors = listed("greeting"), [Unavailable("503"), Unavailable("503")]
    away(monkeypatch, errors)
    (python,) = on_node(tmp_path).provided(order, at_rest_here(Effects()), never).interpreter
    assert Path(python).exists()
    assert not errors


def test_an_index_that_stays_away_fails_the_attempt_in_words(
    listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = listed("greeting")
    away(monkeypatch, [Unavailable("503")] * 20, asked_s=0.5)
    failed = outcome(order, on_node(tmp_path))
    assert isinstance(failed, ProgramFailed)
    assert (failed.reason, failed.final) == (Reason.ENVIRONMENT_FAILED, False)
    assert failed.message.endswith(": 503")


def test_who_is_stopped_while_the_index_is_away_gives_back_at_once(
    listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, errors = listed("greeting"), [Unavailable("503")] * 20
    away(monkeypatch, errors)
    assert isinstance(outcome(order, on_node(tmp_path), lambda run: run.stop(Reason.ABORTED)), GivenBack)
    assert len(errors) == 19


def test_a_file_that_an_installation_misses_is_not_told_as_the_list(
    listed: Listed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = listed("greeting")
    away(monkeypatch, [FileNotFoundError("no interpreter")])
    failed = outcome(order, on_node(tmp_path))
    assert isinstance(failed, ProgramFailed)
    assert (failed.reason, failed.final) == (Reason.ENVIRONMENT_FAILED, False)
    assert "no interpreter" in failed.message


def test_a_storage_that_is_away_gives_the_attempt_back(listed: Listed, tmp_path: Path) -> None:
    class Away(FileBlobs):
        def open(self, path: Path) -> BufferedReader:
            raise Unavailable(f"the storage with {path.name} is away")

    with pytest.raises(Unavailable):
        on_node(tmp_path).provided(listed("greeting"), Away(Effects(), tmp_path), never)
