"""The workloads W1 to W4: input, how it is cut, and what the right totals are.

W5 is W1 at growing numbers of chunks, see `growth`.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fanbench import inputs
from fanbench.home import BLOCKS
from fanbench.split import byte_ranges

Totals = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Workload:
    """One workload at one size. `cut` is how the peers' splitter cuts, `partitioner` how Fanfold is asked to."""

    name: str
    title: str
    chunks: int
    source: Path
    cut: str
    partitioner: tuple[str, ...]
    expected: Callable[[Path], Totals]
    """Computed from the whole input by other means than the app's."""

    @property
    def block(self) -> Path:
        """The block folder of the app."""
        return BLOCKS / self.name

    @property
    def app(self) -> Path:
        """The app's script."""
        return self.block / "app" / "main.py"

    def problem(self, output: Mapping[str, object]) -> str:
        """What is wrong with these totals, in words; "" when they are right."""
        expected = {"chunks": float(self.chunks), **_expected(self)}
        for key, right in expected.items():
            found = output.get(key)
            if not isinstance(found, int | float) or not math.isclose(found, right, rel_tol=1e-9):
                return f"{key} is {found}, expected {right}"
        return ""


@functools.cache
def _expected(workload: Workload) -> Totals:
    return workload.expected(workload.source)


def _split_lines(*params: str) -> tuple[str, ...]:
    chosen = [part for param in params for part in ("-p", f"partitioner.{param}")]
    return ("--partitioner", "split-lines", *chosen)


def tiny_tasks(folder: Path, chunks: int = 2000) -> Workload:
    """W1: one line of about 1 KB a chunk."""

    def expected(source: Path) -> Totals:
        text = source.read_text(encoding="ascii")
        return {"words": len(re.findall(r"\w+", text)), "characters": len(text)}

    source = inputs.made(folder / f"lines-{chunks}.txt", inputs.text_lines, chunks)
    return Workload("w1", "tiny tasks", chunks, source, "lines", _split_lines("lines=1"), expected)


def heavy_import(folder: Path, chunks: int = 200) -> Workload:
    """W2: 500 rows of CSV a chunk, an app that imports pandas."""

    def expected(source: Path) -> Totals:
        with source.open(encoding="ascii", newline="") as file:
            values = [float(row["value"]) for row in csv.DictReader(file)]
        return {"rows": len(values), "value": math.fsum(values)}

    source = inputs.made(folder / f"readings-{chunks}.csv", inputs.readings, chunks)
    rows = f"partitioner.rows={inputs.ROWS_A_CHUNK}"
    return Workload("w2", "heavy import", chunks, source, "csv", ("--partitioner", "split-csv", "-p", rows), expected)


def big_data(folder: Path, chunks: int = 16, size_mib: int = 1024) -> Workload:
    """W3: a large text in 16 chunks cut at line ends."""

    def expected(source: Path) -> Totals:
        totals = {"bytes": 0, "lines": 0, "hash": 0}
        with source.open("rb") as file:
            for start, end in byte_ranges(file, chunks):
                file.seek(start)
                chunk = file.read(end - start)
                totals["bytes"] += len(chunk)
                totals["lines"] += chunk.count(b"\n")
                totals["hash"] += int(hashlib.sha256(chunk).hexdigest()[:8], 16)
        return totals

    source = inputs.made(folder / f"text-{size_mib}m.txt", inputs.large_text, size_mib)
    cut = _split_lines(f"num_chunks={chunks}")
    return Workload("w3", f"big data, {size_mib} MiB", chunks, source, "bytes", cut, expected)


def cpu_bound(folder: Path, chunks: int = 64) -> Workload:
    """W4: half a second of pure Python a chunk."""

    def expected(source: Path) -> Totals:
        return {"value": sum(_generated(int(seed)) for seed in source.read_text(encoding="ascii").split())}

    source = inputs.made(folder / f"seeds-{chunks}.txt", inputs.seeds, chunks)
    return Workload("w4", "CPU bound", chunks, source, "lines", _split_lines("lines=1"), expected)


def _generated(seed: int, steps: int = 5_000_000) -> int:
    """Where the app's generator stands after so many steps: x -> a*x + c composed with itself by squaring."""
    factor, summand, power, plus = 1, 0, 1103515245, 12345
    while steps:
        if steps & 1:
            factor, summand = factor * power & 0x7FFFFFFF, (summand * power + plus) & 0x7FFFFFFF
        power, plus = power * power & 0x7FFFFFFF, (plus * power + plus) & 0x7FFFFFFF
        steps >>= 1
    return (factor * seed + summand) & 0x7FFFFFFF


WORKLOADS: Mapping[str, Callable[..., Workload]] = {
    "w1": tiny_tasks,
    "w2": heavy_import,
    "w3": big_data,
    "w4": cpu_bound,
}
