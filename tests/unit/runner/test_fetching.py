"""A runner fetches its chunk's range: what comes is what was split, or the attempt ends and says why."""

import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.jobs import contract
from fanfold.jobs.chunks import RangeChunk
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.jobs.task_lifecycle import GivenBack, Outcome, ProgramFailed, Reason, Succeeded
from fanfold.net import ranges
from fanfold.platforms.process import ProcessPlatform
from fanfold.ports.executor import Input, RangeRequest, RunOrder
from fanfold.runner.run import Run
from tests.lying_server import LyingServer, lying_server

PART = b'HTTP/1.1 206 Part\r\nContent-Length: 5\r\nContent-Range: bytes 2-6/9\r\nETag: "%b"\r\n\r\nabcde'


@pytest.fixture
def server() -> Iterator[LyingServer]:
    with lying_server() as made:
        yield made


class Fetching:
    """A run whose chunk is the bytes 2 to 6 of a file elsewhere, with a prefix and a suffix."""

    def __init__(self, url: str, place: Path) -> None:
        for name in ("logs", "results"):
            (place / "job" / name).mkdir(parents=True)
        (place / "program").write_text(f'cat "$TASK_DIR"/{contract.CHUNK_FILE} > "{place}/seen"')
        chunk = RangeChunk("remote:", '"one"', 2, 5, b"<", b">")
        order = RunOrder(
            AttemptKey(TaskKey("job", Role.APP, 0), 1),
            1,
            str(place / "job"),
            str(place / "scratch"),
            str(place),
            "program",
            interpreter=("/bin/sh",),
            inputs=(Input(contract.CHUNK_FILE, chunk=chunk, request=RangeRequest(url, {}, True)),),
        )
        self._platform = ProcessPlatform(Effects(), SteadyClock())
        self.run = Run(order, self._platform, Effects(), SteadyClock(), "runner", 1.0)

    def outcome(self, listen: Callable[[], None] = lambda: None) -> Outcome:
        self.run.begin(listen)
        if self.run.running is not None:
            select.select([self.run.running.ended_fd()], [], [])
            self.run.on_end()
        self._platform.close()
        assert self.run.outcome is not None
        return self.run.outcome


def test_the_range_comes_between_prefix_and_suffix(server: LyingServer, tmp_path: Path) -> None:
    assert isinstance(Fetching(server.says("/x", PART % b"one"), tmp_path).outcome(), Succeeded)
    assert (tmp_path / "seen").read_bytes() == b"<abcde>"


def test_one_that_is_stopped_meanwhile_starts_no_program_and_is_given_back(server: LyingServer, tmp_path: Path) -> None:
    fetching = Fetching(server.says("/x", PART % b"one"), tmp_path)
    outcome = fetching.outcome(lambda: fetching.run.stop(Reason.ABORTED))
    assert isinstance(outcome, GivenBack)
    assert not (tmp_path / "seen").exists()


def test_content_that_is_another_one_ends_the_task(server: LyingServer, tmp_path: Path) -> None:
    outcome = Fetching(server.says("/x", PART % b"two"), tmp_path).outcome()
    assert isinstance(outcome, ProgramFailed)
    assert (outcome.reason, outcome.final) == (Reason.CHUNK_CHANGED, True)


def test_a_server_that_does_not_give_it_ends_the_attempt_only(
    server: LyingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges.RangeClient.__init__, "__defaults__", ((),))
    for number, answer in enumerate((b"HTTP/1.1 503 No\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n")):
        outcome = Fetching(server.says(f"/{number}", answer), tmp_path / str(number)).outcome()
        assert isinstance(outcome, ProgramFailed)
        assert (outcome.reason, outcome.final) == (Reason.SOURCE_UNAVAILABLE, False)
