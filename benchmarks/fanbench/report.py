"""Renders records as the page docs/benchmarks.md."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fanbench.machine import Machine
from fanbench.peers import PEERS, cores
from fanbench.rounds import Record
from fanbench.targets import Target, coordinator_mib, growth_targets, ms_a_chunk, peer_targets, ratio

MIB = 1024 * 1024
REFERENCES = {"w3": "xargs"}
"""The peer that ratios refer to; GNU parallel where nothing else is said."""

HOW_TO_READ = """\
- **wall** is the median over the rounds, from starting the command to its end: splitting the input, all tasks, merging.
- **beside** is the median over the rounds of this peer's time through the reference's time of the same round. All peers
  run in turn within a round, so a busy minute of the machine hits all of them alike. Less than 1 is faster.
- **CPU a chunk** counts all processes of the run, the app's included, in milliseconds.
- **tree** is the peak memory of all processes together, shared pages counted once (PSS); **coordinator** is the peak of
  the process a user starts (RSS); of the shell peers that is the shell.
- **efficiency** is the CPU time that the pool needs, shared among the cores, through the wall time: 1.00 would be all
  cores at work all the time, with nothing lost.
- Every output is compared with totals computed by other means; a wrong run counts as failed and not in the medians.
- The pool calls the app's function inside its workers: no process per chunk, no script contract, no isolation. It shows
  what remains when all of that is given up, and is no peer of the others.

What the numbers do not show: Fanfold brings every result and every task's state to the disk (fsync, and a database)
before a task counts as done, and goes on after a crash or a power cut where it stopped. The loop, xargs and the pool
keep nothing; GNU parallel keeps a job log, which names finished jobs but vouches for neither their results nor for what
a power cut leaves.

Other pages: [where the time of a task goes](benchmarks-profile.md), [the server](benchmarks-server.md),
[jobs at an object store](benchmarks-s3.md), [a Ray cluster](benchmarks-cluster.md),
[shares and estimates](benchmarks-money.md), [the console](benchmarks-console.md).
"""


@dataclass(frozen=True, slots=True)
class Section:
    """What one workload gave, and the command that measured it."""

    workload: str
    records: Sequence[Record]

    @property
    def peers(self) -> list[str]:
        """The peers that ran, in the order of the registry."""
        ran = {record.peer for record in self.records}
        return [name for name in PEERS if name in ran]

    def good(self, peer: str) -> list[Record]:
        """This peer's runs that ended well."""
        return [record for record in self.records if record.peer == peer and not record.problem]

    def ideal_s(self) -> float | None:
        """What W4 takes if nothing but its arithmetic keeps all cores busy; None for others, or without the pool."""
        if self.workload != "w4":
            return None
        return _median(self.good("pool"), lambda record: record.usage.cpu_s / cores())


def page(machine: Machine, command: str, sections: Sequence[Section], skipped: Iterable[str]) -> str:
    """The whole page as Markdown."""
    parts = [
        "# Benchmarks\n\nWritten by `benchmarks/run.py`; do not edit.\n",
        _machine(machine, command, sections, skipped),
        _targets(sections),
        *(_growth(section) if section.workload == "w5" else _workload(section) for section in sections),
        "## How to read this\n\n" + HOW_TO_READ,
    ]
    return "\n".join(part for part in parts if part)


def targets(sections: Iterable[Section]) -> list[Target]:
    """All targets that these sections can tell about."""
    found: list[Target] = []
    for section in sections:
        found.extend(peer_targets(section.workload, section.records))
        if section.workload == "w5":
            found.extend(growth_targets(section.records))
    return found


def target_line(target: Target) -> tuple[str, str, str, str]:
    """What, target, reached, verdict."""
    return (
        target.what,
        f"at most {target.limit:g} {target.unit}",
        f"{target.reached:.2f} {target.unit}",
        "reached" if target.met else "missed",
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column stands left, the others right."""
    rule = [":--", *("--:" for _ in header[1:])]
    return "".join(f"| {' | '.join(row)} |\n" for row in (header, rule, *rows))


def _machine(machine: Machine, command: str, sections: Sequence[Section], skipped: Iterable[str]) -> str:
    loads = [record.load for section in sections for record in section.records]
    when = sections[0].records[0].session if sections else "never"
    lines = [
        f"- measured at {when}; load before the runs {min(loads, default=0):.1f} to {max(loads, default=0):.1f}",
        f"- {machine.cores} cores, {machine.memory_gib} GiB, {machine.system}, Linux {machine.kernel}",
        f"- apps run with {machine.app_python} for all peers",
        *(f"- `{name}`: {version}" for name, version in machine.versions.items()),
        *(f"- skipped: {reason}" for reason in skipped),
        f"- again: `{command}`",
    ]
    return "\n".join(lines) + "\n"


def _targets(sections: Sequence[Section]) -> str:
    found = targets(sections)
    if not found:
        return ""
    return "## Targets\n\n" + table(("what", "target", "reached", ""), map(target_line, found))


def _workload(section: Section) -> str:
    first = section.records[0]
    rounds = 1 + max(record.round for record in section.records)
    title = f"## {section.workload.upper()}: {first.title}\n\n{first.chunks:,} chunks; rounds: {rounds}.\n\n"
    columns = _columns(section)
    rows = ((PEERS[peer].title, *(value(peer) for value in columns.values())) for peer in section.peers)
    return title + table(("peer", *columns), rows)


def _columns(section: Section) -> dict[str, Callable[[str], str]]:
    """What a table shows of each peer: header -> how a peer's cell is found."""
    reference = REFERENCES.get(section.workload, "parallel")
    ideal_s = section.ideal_s()

    def median(form: str, value: Callable[[Record], float]) -> Callable[[str], str]:
        return lambda peer: _number(_median(section.good(peer), value), form)

    columns = {
        "wall s": median("{:.2f}", lambda record: record.usage.wall_s),
        f"beside {PEERS[reference].title}": lambda peer: _number(ratio(section.records, peer, reference), "{:.2f}"),
        "CPU a chunk ms": median("{:.1f}", lambda record: 1000 * record.usage.cpu_s / record.chunks),
        "tree MiB": median("{:.0f}", lambda record: record.usage.tree_pss_bytes / MIB),
        "coordinator MiB": median("{:.0f}", lambda record: record.usage.coordinator_rss_bytes / MIB),
    }
    if ideal_s:
        columns["efficiency"] = median("{:.2f}", lambda record: ideal_s / record.usage.wall_s)
    if any(record.problem for record in section.records):
        columns["failed runs"] = lambda peer: str(rounds_of(section, peer) - len(section.good(peer)))
    return columns


def rounds_of(section: Section, peer: str) -> int:
    """How often this peer ran."""
    return sum(record.peer == peer for record in section.records)


def _growth(section: Section) -> str:
    header = ("peer", "chunks", "ms a chunk", "coordinator MiB", "tree MiB")
    title = "## W5: growth\n\nThe tiny tasks of W1, more and more of them.\n\n"
    return title + table(header, _growth_rows(section))


def _growth_rows(section: Section) -> Iterator[tuple[str, ...]]:
    for peer in section.peers:
        good = section.good(peer)
        for chunks in sorted({record.chunks for record in good}):
            tree = _median([record for record in good if record.chunks == chunks], _tree_mib)
            numbers = (ms_a_chunk(good, chunks), coordinator_mib(good, chunks))
            yield (PEERS[peer].title, f"{chunks:,}", *(f"{number:.1f}" for number in numbers), _number(tree, "{:.0f}"))


def _tree_mib(record: Record) -> float:
    return record.usage.tree_pss_bytes / MIB


def _median(records: Sequence[Record], value: Callable[[Record], float]) -> float | None:
    return statistics.median(map(value, records)) if records else None


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
