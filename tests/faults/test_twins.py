"""R2, R10 for results that are taken: of two equal jobs, whenever the server dies, every piece of work is done once to
its end, and both outputs are whole."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.dying_twins import PIECES
from tests.faults.test_sweep import ROOT

MOST_EFFECTS = 250


def served(place: Path, dies_at: int) -> subprocess.CompletedProcess[str]:
    """One life of a server over a folder."""
    command = [sys.executable, "-m", "tests.faults.dying_twins", str(place), str(dies_at)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def survives(place: Path, dies_at: int) -> bool:
    """Let a server die at an effect and another go on; says whether the first one survived to the end."""
    place.mkdir()
    first = served(place, dies_at)
    last = first if first.returncode == 0 else served(place, 0)
    where = f"effect {dies_at}, {first.stderr.strip()}"
    assert first.returncode in (0, -signal.SIGKILL), where
    assert last.returncode == 0, f"{where}: {last.stderr}"
    told = json.loads(last.stdout)
    assert (told["states"], told["broken"]) == (2 * ["JOB_STATE_COMPLETE"], []), f"{where}: {told}"
    assert told["succeeded"] == dict.fromkeys(PIECES, 1), f"{where}: {told}"
    assert told["taken"] == 2 * len(PIECES) - len(set(PIECES)), f"{where}: {told}"
    for twin in ("left", "right"):
        found = {path.stem: path.read_text() for path in (place / twin / "in").iterdir()}
        assert found == {f"out.{index}": 3 * piece for index, piece in enumerate(PIECES)}, where
    return first.returncode == 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize("first", [14, 21])
def test_of_equal_jobs_work_is_done_once_whenever_the_server_dies(tmp_path: Path, first: int) -> None:
    for dies_at in range(first, 90, 16):
        survives(tmp_path / str(dies_at), dies_at)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
def test_of_equal_jobs_work_is_done_once_at_whichever_effect_the_server_dies(tmp_path: Path) -> None:
    assert any(survives(tmp_path / str(dies_at), dies_at) for dies_at in range(1, MOST_EFFECTS))
