"""The benchmark harness cuts, checks and judges rightly, so that its numbers can be believed."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes `fanbench` importable for one test."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "fanbench"]:
        del sys.modules[name]


def module(name: str) -> ModuleType:
    return import_module(f"fanbench.{name}")


def record(peer: str, turn: int, wall_s: float, *, chunks: int = 10, memory_mib: int = 50, problem: str = "") -> object:
    usage = module("measure").Usage(0, wall_s, wall_s, 0, 0, memory_mib * 2**20, 1, 0)
    return module("rounds").Record("now", "w1", "tiny tasks", chunks, peer, turn, problem, 0.0, usage)


@pytest.mark.usefixtures("harness")
@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_ranges_cover_the_file_once_and_end_at_line_ends(number: int) -> None:
    text = b"".join(b"x" * size + b"\n" for size in (0, 5, 40, 1, 1, 17))
    ranges = list(module("split").byte_ranges(io.BytesIO(text), number))
    assert b"".join(text[start:end] for start, end in ranges) == text
    assert len(ranges) == number
    assert all(end == 0 or text[end - 1 : end] == b"\n" for _, end in ranges)


@pytest.mark.usefixtures("harness")
def test_a_record_comes_back_from_its_line() -> None:
    written = record("xargs", 1, 2.5)
    assert type(written).read(written.line()) == written  # type: ignore[attr-defined]


@pytest.mark.usefixtures("harness")
def test_a_ratio_compares_runs_of_the_same_round_and_leaves_wrong_ones_out() -> None:
    records = [
        *(record("fanfold", turn, wall_s) for turn, wall_s in enumerate((1.0, 4.0, 9.0))),
        *(record("parallel", turn, wall_s) for turn, wall_s in enumerate((2.0, 4.0))),
        record("parallel", 2, 1.0, problem="wrong"),
    ]
    assert module("targets").ratio(records, "fanfold", "parallel") == 0.75


@pytest.mark.usefixtures("harness")
def test_a_workload_is_judged_beside_the_peer_that_its_target_names() -> None:
    records = [record("fanfold", 0, 1.0), record("parallel", 0, 5.0), record("xargs", 0, 4.0)]
    (target,) = module("targets").peer_targets("w1", records)
    assert (target.reached, target.met) == (0.2, True)
    (target,) = module("targets").peer_targets("w3", records)
    assert (target.reached, target.met) == (0.25, True)
    assert list(module("targets").peer_targets("w4", records)) == []


@pytest.mark.usefixtures("harness")
def test_growth_is_judged_between_the_sizes() -> None:
    records = [
        record("fanfold", 0, wall_s, chunks=chunks, memory_mib=memory_mib)
        for chunks, wall_s, memory_mib in ((100, 1.0, 50), (1000, 10.0, 60), (10_000, 200.0, 90))
    ]
    memory, time = module("targets").growth_targets(records)
    assert (memory.reached, memory.met) == (40, True)
    assert (time.reached, time.met) == (2.0, False)


@pytest.mark.usefixtures("harness")
def test_the_expected_number_of_the_arithmetic_is_what_the_app_computes() -> None:
    value = 7
    for _ in range(1000):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    assert module("workloads")._generated(7, 1000) == value


MEASURE_IN_A_PROCESS_OF_ITS_OWN = """
import dataclasses, json, sys
from pathlib import Path
from fanbench.measure import measure
folder = Path(sys.argv[1])
usage = measure(sys.argv[2:], folder, {}, folder / "log", limit_s=20)
print(json.dumps(dataclasses.asdict(usage)))
"""


def test_a_command_is_measured_with_the_cpu_time_and_memory_of_its_children(tmp_path: Path) -> None:
    busy = "import time\nblock = bytearray(64 << 20)\nwhile time.process_time() < 0.6: block[0] = 1"
    command = ["sh", "-c", f'"{sys.executable}" -c "$0"; exit 3', busy]
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE_IN_A_PROCESS_OF_ITS_OWN, tmp_path, *command],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
        capture_output=True,
        check=True,
    )
    usage = json.loads(measured.stdout)
    assert usage["exit_code"] == 3
    assert usage["cpu_s"] >= 0.6
    assert usage["tree_rss_bytes"] > 64 << 20
    assert usage["coordinator_rss_bytes"] < 64 << 20
    assert usage["left_behind"] == 0


KILLED_SANDBOX = """
import subprocess, sys, time
busy = "import time\\nwhile time.process_time() < 0.6: pass\\nprint(flush=True)\\ntime.sleep(60)"
line = ["bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--die-with-parent", sys.executable, "-c", busy]
with subprocess.Popen(line, stdout=subprocess.PIPE) as sandbox:
    sandbox.stdout.readline()
    time.sleep(3)  # a sample is taken five times a second
    sandbox.kill()
"""


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_the_cpu_time_of_a_sandbox_that_is_killed_is_counted(tmp_path: Path) -> None:
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE_IN_A_PROCESS_OF_ITS_OWN, tmp_path, sys.executable, "-c", KILLED_SANDBOX],
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS)},
        capture_output=True,
        check=True,
    )
    usage = json.loads(measured.stdout)
    assert usage["exit_code"] == 0
    assert usage["cpu_s"] >= 0.55
