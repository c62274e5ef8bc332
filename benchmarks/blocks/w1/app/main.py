"""W1: counts the words of a chunk of about 1 KB. The imports are what a small script usually has."""

from __future__ import annotations

import json
import logging
import os
import re


def process(task_folder: str, results_folder: str) -> None:
    """Read the chunk, write `result.json` with numbers only."""
    with open(os.path.join(task_folder, "data.bin"), encoding="utf-8") as chunk:
        text = chunk.read()
    words = len(re.findall(r"\w+", text))
    with open(os.path.join(results_folder, "result.json"), "w") as result:
        json.dump({"chunks": 1, "words": words, "characters": len(text)}, result)
    logging.getLogger("w1").info("%d words", words)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    process(os.environ["TASK_DIR"], os.environ["TASK_RESULTS_DIR"])
