"""W4: about half a second of pure Python arithmetic, from the seed in the chunk."""

from __future__ import annotations

import json
import os

STEPS = 5_000_000


def process(task_folder: str, results_folder: str) -> None:
    """Read the seed, write `result.json` with the number it leads to."""
    with open(os.path.join(task_folder, "data.bin")) as chunk:
        value = int(chunk.read())
    for _ in range(STEPS):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
    with open(os.path.join(results_folder, "result.json"), "w") as result:
        json.dump({"chunks": 1, "value": value}, result)


if __name__ == "__main__":
    process(os.environ["TASK_DIR"], os.environ["TASK_RESULTS_DIR"])
