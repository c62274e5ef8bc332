"""Adds the tallies of all chunks and writes them as one table, the costliest species first."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

COLUMNS = ("strikes", "damaging", "cost")

Tally = Counter[str]


def result_files() -> list[Path]:
    """The result files of all tasks in the order of their chunks, as the results index lists them."""
    folder = Path(os.environ["RESULTS_DIR"])
    index = json.loads(Path(os.environ["FANFOLD_RESULTS_INDEX"]).read_bytes())
    return [folder / file["path"] for file in index["files"]]


def total(results: Iterable[Path]) -> dict[str, Tally]:
    """One tally per species over all results."""
    species: dict[str, Tally] = {}
    for result in results:
        for name, tally in json.loads(result.read_bytes()).items():
            species.setdefault(name, Counter()).update(tally)
    return species


def write_table(species: dict[str, Tally], place: Path, rows: int | None) -> None:
    """Write at most `rows` rows, all where it is None; same cost: by name."""
    ordered = sorted(species.items(), key=lambda item: (-item[1]["cost"], item[0]))
    with place.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(("species", *COLUMNS))
        writer.writerows((name, *(tally[column] for column in COLUMNS)) for name, tally in ordered[:rows])


def main() -> None:
    params = json.loads(os.environ["ASSEMBLER_PARAMS"])
    species = total(result_files())
    write_table(species, Path(os.environ["OUTPUT_DIR"], "species.csv"), params.get("rows"))
    print(f"INFO {len(species)} species")


if __name__ == "__main__":
    main()
