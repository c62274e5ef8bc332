"""A ProcessPoolExecutor that calls the app's function: no process per chunk, no script contract, no isolation.

Gets the same environment as the shell peers.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

WORK = Path(os.environ["WORK"])
CHUNKS = int(os.environ["CHUNKS"])


@cache
def app() -> Callable[[str, str], None]:
    """The app's function, loaded once a worker."""
    process: Callable[[str, str], None] = runpy.run_path(os.environ["APP"])["process"]
    return process


def one(index: int) -> None:
    """Process one chunk."""
    results = WORK / "results" / str(index)
    results.mkdir(parents=True)
    app()(str(WORK / "chunks" / str(index)), str(results))


def step(script: str, *arguments: str) -> None:
    """Run one of the steps that all peers share."""
    subprocess.run((sys.executable, f"{os.environ['STEPS']}/{script}", *arguments), check=True)


def main() -> None:
    step("split.py", os.environ["SOURCE"], str(WORK / "chunks"), str(CHUNKS), os.environ["CUT"])
    with ProcessPoolExecutor(int(os.environ["CORES"])) as pool:
        list(pool.map(one, range(CHUNKS)))
    step("merge.py", str(WORK / "results"), str(WORK / "totals.json"))


if __name__ == "__main__":
    main()
