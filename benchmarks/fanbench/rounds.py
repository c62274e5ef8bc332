"""Rounds: in each, every peer runs once, in turn, so that a busy minute of the machine hits all of them alike."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fanbench.home import Home
from fanbench.measure import Usage, measure
from fanbench.peers import Peer, Run, cores
from fanbench.workloads import Workload


@dataclass(frozen=True, slots=True)
class Record:
    """One run of one peer. `problem` is "" when its output was right and it ended well."""

    session: str
    workload: str
    title: str
    chunks: int
    peer: str
    round: int
    problem: str
    load: float
    usage: Usage

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def read(cls, line: str) -> Record:
        """A record from its line."""
        values = json.loads(line)
        return cls(**{**values, "usage": Usage(**values["usage"])})


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and with what a session measures. `limit_s` is the longest a run may take."""

    home: Home
    session: str
    records: Path
    limit_s: float

    def rounds(self, workload: Workload, peers: Sequence[Peer], number: int) -> Iterator[Record]:
        """Run every peer `number` times; each record is also written to the session's file at once."""
        for turn in range(number):
            for peer in peers:
                record = self._once(workload, peer, turn)
                with self.records.open("a", encoding="utf-8") as file:
                    file.write(record.line() + "\n")
                yield record

    def _once(self, workload: Workload, peer: Peer, turn: int) -> Record:
        run = Run(workload, self._emptied(peer), self.home, cores())
        load = os.getloadavg()[0]
        log = self.home.work / f"{peer.name}.log"
        usage = measure(peer.command(run), run.work, _environment(peer, run), log, self.limit_s)
        usage = dataclasses.replace(usage, wall_s=usage.wall_s - _start_s(run.work))
        problem = _problem(peer, run, usage, log)
        shutil.rmtree(run.work)
        shutil.rmtree(self.home.state, ignore_errors=True)
        return Record(
            session=self.session,
            workload=workload.name,
            title=workload.title,
            chunks=workload.chunks,
            peer=peer.name,
            round=turn,
            problem=problem,
            load=round(load, 2),
            usage=usage,
        )

    def _emptied(self, peer: Peer) -> Path:
        """The peer's work folder, new, and nothing of earlier runs waiting to be written to the disk."""
        work = self.home.work / peer.name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        os.sync()
        return work


def new_session() -> str:
    """A name for this session: when it began, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _start_s(work: Path) -> float:
    """How long a peer says that its service took to be there, which is not counted."""
    place = work / "start.json"
    return float(json.loads(place.read_text())["start_s"]) if place.exists() else 0.0


def _environment(peer: Peer, run: Run) -> dict[str, str]:
    """The caller's environment without what would slow Python down or lead it astray, and what the peer wants."""
    unwanted = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**inherited, **peer.environment(run)}


def _problem(peer: Peer, run: Run, usage: Usage, log: Path) -> str:
    if usage.exit_code:
        return f"exit code {usage.exit_code}: {log.read_text(errors='replace')[-500:]}"
    if usage.left_behind:
        return f"{usage.left_behind} processes left behind"
    try:
        return run.workload.problem(peer.totals(run))
    except (OSError, ValueError) as error:
        return f"no output: {error}"
