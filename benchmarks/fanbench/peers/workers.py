"""Ray or Dask: a cluster on this machine whose workers call the app's function; how long it took to be there goes to
`start.json` and is not counted. Gets the same environment as the shell peers, and the name of the peer.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORK = Path(os.environ["WORK"])
CHUNKS = int(os.environ["CHUNKS"])
CORES = int(os.environ["CORES"])
APP = os.environ["APP"]


_known: dict[str, Callable[[str, str], None]] = {}
"""The app's function, loaded once a worker."""


def there() -> int:
    """What a worker is asked before the time is taken."""
    return os.getpid()


def one(script: str, work: str, index: int) -> None:
    """Process one chunk."""
    results = Path(work, "results", str(index))
    results.mkdir(parents=True)
    if script not in _known:
        _known[script] = runpy.run_path(script)["process"]
    _known[script](f"{work}/chunks/{index}", str(results))


def step(script: str, *arguments: str) -> None:
    """Run one of the steps that all peers share."""
    subprocess.run((sys.executable, f"{os.environ['STEPS']}/{script}", *arguments), check=True)


def with_ray(ready: Callable[[], None]) -> None:
    """Every chunk as one task."""
    import ray

    ray.init(address="local", num_cpus=CORES, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    task: Any = ray.remote(one).options(num_cpus=1)
    ray.get(ray.remote(there).remote())
    ready()
    ray.get([task.remote(APP, str(WORK), index) for index in range(CHUNKS)])
    ray.shutdown()


def with_dask(ready: Callable[[], None]) -> None:
    """Every chunk as one task."""
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=CORES, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        ready()
        client.gather(client.map(one, [APP] * CHUNKS, [str(WORK)] * CHUNKS, range(CHUNKS), pure=False))


def main(name: str) -> None:
    begin = time.monotonic()

    def ready() -> None:
        (WORK / "start.json").write_text(json.dumps({"start_s": time.monotonic() - begin}))
        step("split.py", os.environ["SOURCE"], str(WORK / "chunks"), str(CHUNKS), os.environ["CUT"])

    {"ray": with_ray, "dask": with_dask}[name](ready)
    step("merge.py", str(WORK / "results"), str(WORK / "totals.json"))


if __name__ == "__main__":
    main(sys.argv[1])
