"""Adds up the strikes of one chunk, a Parquet file, by phase of flight: how many, and what they cost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet

PHASE, COST = "Phase of flight", "Cost Total $"


def totals(table: Any) -> dict[str, dict[str, int]]:
    """Strikes and cost in dollars of each phase."""
    grouped = table.group_by(PHASE, use_threads=False).aggregate([(COST, "count"), (COST, "sum")])
    return {
        row[PHASE] or "unknown": {"strikes": row[f"{COST}_count"], "cost": row[f"{COST}_sum"]}
        for row in grouped.to_pylist()
    }


def main() -> None:
    table = pyarrow.parquet.read_table(Path(os.environ["TASK_DIR"], "data.bin"), columns=[PHASE, COST])
    Path(os.environ["TASK_RESULTS_DIR"], "totals.json").write_text(json.dumps(totals(table)), encoding="utf-8")


if __name__ == "__main__":
    main()
