"""The peers' assembler, a program: adds up the numbers of `RESULTS/*/result.json`, key by key.

Usage: merge.py RESULTS OUTPUT
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path


def main(results: str, output: str) -> None:
    total: Counter[str] = Counter()
    for result in Path(results).glob("*/result.json"):
        total.update(json.loads(result.read_bytes()))
    Path(output).write_text(json.dumps(total), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
