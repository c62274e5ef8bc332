"""Adds up the strikes of one chunk by species: how many, how many with damage, what they cost.

A chunk is a CSV file with its header.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Tally = dict[str, int]


def by_species(rows: Iterable[Mapping[str, str]]) -> dict[str, Tally]:
    """One tally per species: strikes, strikes that damaged the aircraft, cost in dollars."""
    species: dict[str, Tally] = {}
    for row in rows:
        tally = species.setdefault(row["Wildlife Species"], {"strikes": 0, "damaging": 0, "cost": 0})
        tally["strikes"] += 1
        tally["damaging"] += row["Effect Amount of damage"] != "None"
        tally["cost"] += int(row["Cost Total $"])
    return species


def main() -> None:
    with Path(os.environ["TASK_DIR"], "data.bin").open(encoding="utf-8-sig", newline="") as chunk:
        result = by_species(csv.DictReader(chunk))
    Path(os.environ["TASK_RESULTS_DIR"], "species.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
