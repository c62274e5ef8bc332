"""Plain Ray tasks that start a script by subprocess: `python plain_ray.py <address> <script> <folder> <tasks>`.

Prints the seconds from the first task that is submitted to the last one that is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import ray

AT_ONCE = 1000
"""So many tasks are submitted ahead, as Ray's own patterns advise."""


@ray.remote(num_cpus=1, max_retries=0)
def one(script: str, folder: str, index: int) -> None:
    """What a runner does for a task, without sandbox, limits, log or checks."""
    out = Path(folder, str(index))
    out.mkdir()
    environment = {"PATH": os.environ["PATH"], "TASK_RESULTS_DIR": str(out), "FANFOLD_CHUNK_INDEX": str(index)}
    subprocess.run([sys.executable, "-P", script], env=environment, check=True, capture_output=True)


def main() -> None:
    """Warm the cluster up, run the tasks, print how long they took."""
    address, script, folder, tasks = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    warm = Path(folder, "warm")
    warm.mkdir(parents=True)
    ray.get([one.remote(script, str(warm), index) for index in range(12)])
    begin, waiting = time.monotonic(), []
    for index in range(tasks):
        waiting.append(one.remote(script, folder, index))
        if len(waiting) >= AT_ONCE:
            done, waiting = ray.wait(waiting, num_returns=AT_ONCE // 2)
            ray.get(done)
    ray.get(waiting)
    print(time.monotonic() - begin)
    ray.shutdown()


if __name__ == "__main__":
    main()
