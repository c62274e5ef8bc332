"""Numbers and lines as a person reads them."""

import io

import pytest
from rich.console import Console

from fanfold.cli.ending import size_of
from fanfold.cli.progress import clock_time, drawn
from fanfold.jobs.progress import Progress


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "0s"), (59.4, "59s"), (59.6, "1m 00s"), (3599, "59m 59s"), (7500, "2h 05m")]
)
def test_times_are_short(seconds: float, shown: str) -> None:
    assert clock_time(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536 * 1024, "1.5 MiB"), (5 << 40, "5120.0 GiB")],
)
def test_sizes_are_short(count: int, shown: str) -> None:
    assert size_of(count) == shown


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_live_line_stays_one_line_at_every_width(width: int) -> None:
    progress = Progress("running", 12_345, 7, 100_000, 123.4, 710.0, 0, 0)
    console = Console(file=io.StringIO(), width=width, force_terminal=True)
    with console.capture() as captured:
        console.print(drawn(progress, "", width))
    assert captured.get().count("\n") == 1


def test_the_live_line_says_how_far_how_fast_and_how_long_still() -> None:
    progress = Progress("running", 12_345, 7, 100_000, 123.4, 710.0, 0, 0)
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as captured:
        console.print(drawn(progress, "waits for room", 120))
    line = " ".join(captured.get().split())
    assert line.startswith("running ")
    assert line.endswith("12,345/100,000 chunks 123.4/s 11m 50s left 7 failed waits for room")
