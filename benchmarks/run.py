"""Measures Fanfold beside other tools.

    python benchmarks/run.py --workload w1 --n 2000 --rounds 3 --peers parallel,xargs,fanfold

Without --workload a whole set is measured, about a quarter of an hour, and docs/benchmarks.md is written.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fanbench.home import BENCHMARKS, RECORDS, Home
from fanbench.machine import this_machine
from fanbench.peers import PEERS, Peer
from fanbench.report import Section, page, target_line, targets
from fanbench.rounds import Bench, Record, new_session
from fanbench.workloads import WORKLOADS, Workload
from rich.console import Console
from rich.table import Table

DOCS_PAGE = BENCHMARKS.parent / "docs" / "benchmarks.md"
GROWTH = (100, 1000, 10_000)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure of one workload: at which sizes, how often, which peers; `size` for other inputs."""

    workload: str
    chunks: tuple[int, ...]
    rounds: int
    peers: tuple[str, ...]
    size: dict[str, int] = field(default_factory=dict)

    def workloads(self, folder: Path) -> list[Workload]:
        """The workload at each size; makes the inputs that are missing."""
        make = WORKLOADS["w1" if self.workload == "w5" else self.workload]
        return [make(folder, chunks, **self.size) for chunks in self.chunks]


ALL = ("loop", "parallel", "xargs", "pool", "fanfold")
TOOLS = ("parallel", "xargs", "pool", "fanfold")
WORKERS = ("parallel", "xargs", "pool", "ray", "dask", "fanfold", "reentrant")

QUICK = (
    Plan("w1", (100,), 2, ALL),
    Plan("w2", (10,), 1, ALL),
    Plan("w3", (16,), 2, ALL, {"size_mib": 64}),
    Plan("w4", (8,), 1, ALL),
    Plan("w5", (50, 200), 1, ("fanfold",)),
)
DEFAULT = (
    Plan("w1", (1000,), 3, WORKERS),
    Plan("w2", (100,), 3, TOOLS),
    Plan("w3", (16,), 5, ALL),
    Plan("w4", (64,), 2, TOOLS),
    Plan("w5", GROWTH, 1, ("fanfold",)),
)
FULL = (
    Plan("w1", (2000,), 3, WORKERS),
    Plan("w2", (200,), 3, TOOLS),
    Plan("w3", (16,), 5, ALL),
    Plan("w4", (64,), 3, TOOLS),
    Plan("w5", GROWTH, 1, ("parallel", "fanfold")),
)


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line, read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sets = parser.add_mutually_exclusive_group()
    sets.add_argument("--workload", choices=[*WORKLOADS, "w5"], help="only this one; w5 is w1 at growing sizes")
    sets.add_argument("--quick", action="store_true", help="the whole set at toy sizes, about a minute")
    sets.add_argument("--full", action="store_true", help="the whole set at full size, twenty minutes")
    parser.add_argument("--n", type=int, help="number of chunks (with --workload)")
    parser.add_argument("--rounds", type=int, help="how often each peer runs")
    parser.add_argument("--peers", type=lambda text: tuple(text.split(",")), help=f"of {','.join(PEERS)}")
    parser.add_argument("--limit", type=float, default=1200, help="seconds after which a run is killed")
    parser.add_argument("--page", type=Path, help="where the page goes; of a partial set: benchmarks/out/benchmarks.md")
    options = parser.parse_args(given)
    if options.n and not options.workload:
        parser.error("--n needs --workload")
    if unknown := set(options.peers or ()) - set(PEERS):
        parser.error(f"no peer is called {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    return options


def plans(options: argparse.Namespace) -> list[Plan]:
    """What the options ask for."""
    chosen: tuple[Plan, ...] = QUICK if options.quick else FULL if options.full else DEFAULT
    if options.workload:
        chosen = tuple(plan for plan in FULL if plan.workload == options.workload)
    return [
        Plan(
            plan.workload,
            (options.n,) if options.n else plan.chunks,
            options.rounds or plan.rounds,
            options.peers or plan.peers,
            plan.size,
        )
        for plan in chosen
    ]


def page_place(options: argparse.Namespace) -> Path:
    """Where the page goes: only a whole set at real size is worth publishing."""
    partial = options.workload or options.quick or options.peers
    default = RECORDS / "benchmarks.md" if partial else DOCS_PAGE
    return options.page or default


def present(wanted: Sequence[Plan]) -> tuple[dict[str, Peer], list[str]]:
    """The wanted peers that are installed, and a sentence about each that is not."""
    names = [name for name in PEERS if any(name in plan.peers for plan in wanted)]
    missing = {name: PEERS[name].missing() for name in names}
    skipped = [f"{PEERS[name].title}: needs {what}" for name, what in missing.items() if what]
    return {name: PEERS[name] for name in names if not missing[name]}, skipped


def measured(plan: Plan, bench: Bench, peers: dict[str, Peer], console: Console) -> Section:
    """Run the plan, with a line on screen per run."""
    chosen = [peers[name] for name in plan.peers if name in peers]
    records: list[Record] = []
    for workload in plan.workloads(bench.home.inputs):
        for record in bench.rounds(workload, chosen, plan.rounds):
            records.append(record)
            usage = record.usage
            console.print(
                f"{plan.workload} {record.chunks:>6} {record.peer:<9} {usage.wall_s:8.2f} s "
                f"{1000 * usage.cpu_s / record.chunks:8.1f} ms CPU a chunk  "
                f"coordinator {usage.coordinator_rss_bytes >> 20:4} MiB  load {record.load:.1f}  "
                f"{record.problem or 'right'}",
                markup=False,
            )
    return Section(plan.workload, records)


def show_targets(sections: Sequence[Section], console: Console) -> None:
    """The targets and what was reached, as a table on screen."""
    shown = Table("what", "target", "reached", "")
    for target in targets(sections):
        shown.add_row(*target_line(target))
    if shown.row_count:
        console.print(shown)


def main(given: Sequence[str]) -> int:
    """0 when every run was right, 1 otherwise; a missed target is no error."""
    options = arguments(given)
    console = Console(highlight=False, soft_wrap=True)
    wanted = plans(options)
    peers, skipped = present(wanted)
    for reason in skipped:
        console.print(f"skipped: {reason}")
    home = Home.find()
    home.prepare()
    RECORDS.mkdir(exist_ok=True)
    bench = Bench(home, new_session(), RECORDS / "records.jsonl", options.limit)
    sections = [measured(plan, bench, peers, console) for plan in wanted]
    sections = [section for section in sections if section.records]
    show_targets(sections, console)
    command = shlex.join(("python", "benchmarks/run.py", *given))
    place = page_place(options)
    place.write_text(page(this_machine(home, peers.values()), command, sections, skipped), encoding="utf-8")
    console.print(f"written: {place}")
    return int(any(record.problem for section in sections for record in section.records))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
