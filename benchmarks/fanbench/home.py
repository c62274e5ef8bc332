"""Where inputs, environments and scratch folders of the benchmarks live; nothing of it belongs to the project."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]
BLOCKS = BENCHMARKS / "blocks"
RECORDS = BENCHMARKS / "out"
"""Results as JSON lines; not tracked."""

APP_REQUIREMENTS = ("numpy", "pandas")
CLUSTER_REQUIREMENTS = (*APP_REQUIREMENTS, "ray", "distributed")


@dataclass(frozen=True, slots=True)
class Home:
    """BENCH_HOME: inputs are made once and kept, work folders last one run."""

    root: Path

    @classmethod
    def find(cls) -> Home:
        """`BENCH_HOME`, or a folder of its own in the user's cache."""
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        root = os.environ.get("BENCH_HOME") or f"{cache}/fanfold-bench"
        return cls(Path(root).expanduser().resolve())

    @property
    def inputs(self) -> Path:
        """Generated inputs, by name."""
        return self.root / "inputs"

    @property
    def work(self) -> Path:
        """One folder a peer, emptied before each run."""
        return self.root / "work"

    @property
    def state(self) -> Path:
        """What Fanfold gets as XDG_STATE_HOME, so that benchmarks do not fill the user's."""
        return self.root / "state"

    @property
    def python(self) -> Path:
        """The interpreter that runs the app for all peers alike; it has numpy and pandas."""
        return self.root / "app-venv" / "bin" / "python"

    @property
    def cluster_python(self) -> Path:
        """An interpreter with the same and Ray and Dask; made by `prepare_cluster`."""
        return self.root / "cluster-venv" / "bin" / "python"

    def prepare_cluster(self) -> None:
        """Make it where it is missing; safe to repeat."""
        ready = self.root / "cluster-venv" / "ready"
        if ready.exists():
            return
        print("making an environment with Ray and Dask ...", flush=True)
        subprocess.run((sys.executable, "-m", "venv", "--clear", self.cluster_python.parents[1]), check=True)
        subprocess.run((self.cluster_python, "-m", "pip", "install", "--quiet", *CLUSTER_REQUIREMENTS), check=True)
        ready.touch()

    def prepare(self) -> None:
        """Make the app's environment where it is missing; safe to repeat."""
        self.inputs.mkdir(parents=True, exist_ok=True)
        ready = self.root / "app-venv" / "ready"
        if ready.exists():
            return
        print("making the app's environment with numpy and pandas ...", flush=True)
        subprocess.run((sys.executable, "-m", "venv", "--clear", self.python.parents[1]), check=True)
        subprocess.run((self.python, "-m", "pip", "install", "--quiet", *APP_REQUIREMENTS), check=True)
        ready.touch()
