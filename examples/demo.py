"""A first job on this machine: counts the words of a novel with the real command and shows the most frequent ones.

Takes a few seconds. Exits with the command's own exit code.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "demo-output"
FANFOLD = Path(sys.executable).with_name("fanfold")
JOB = (
    *("run", "--app", "examples/word-count"),
    *("--partitioner", "split-lines", "-p", "partitioner.lines=1000"),
    *("--assembler", "sum-json", "-p", "app.min_length=5"),
    *("examples/data/war-and-peace.txt", "-o", OUTPUT.name, "--force"),
)


def show(console: Console, counts: dict[str, int]) -> None:
    """The ten most frequent words as a table; same count: in alphabetical order."""
    table = Table(title="War and Peace: the most frequent words of five letters or more", title_justify="left")
    table.add_column("word")
    table.add_column("times", justify="right")
    for word, times in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:10]:
        table.add_row(word, f"{times:,}")
    console.print(table)
    console.print(f"{sum(counts.values()):,} words, {len(counts):,} different ones.")


def main() -> int:
    """The exit code of the job, or 1 where it left something else than one JSON file."""
    console = Console(highlight=False, soft_wrap=True)
    console.print("A novel of 66,055 lines, cut into chunks of a thousand, counted on all cores:\n")
    console.print(f"  $ {shlex.join(('fanfold', *JOB))}\n", style="bold")
    if not FANFOLD.exists():
        console.print(f"There is no fanfold command beside {sys.executable}; run: make setup", style="red")
        return 1
    job = subprocess.run((FANFOLD, *JOB), cwd=ROOT, check=False)
    if job.returncode:
        return job.returncode
    outputs = sorted(place for place in OUTPUT.glob("[!.]*.json") if place.name != "provenance.json")
    if len(outputs) != 1:
        console.print(f"Expected one JSON file in {OUTPUT}, found {len(outputs)}", style="red")
        return 1
    console.print()
    show(console, json.loads(outputs[0].read_bytes()))
    console.print(f"All counts are in [bold]{outputs[0].relative_to(ROOT)}[/bold]; the app is in examples/word-count.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
