"""Counts what a chunk asks of an object store, at growing numbers of chunks.

    python benchmarks/storage.py --sizes 100 1000

A real server with its job data in a bucket, tiny programs in warm runners, and an S3 endpoint that notes each request.
Prints the table that docs/explanation/scale.md shows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cluster import POLL_S, begun, made
from fanbench.home import BENCHMARKS
from fanbench.report import table
from fanbench.service import ENDED, JOBS, Caller, serving

sys.path.insert(0, str(BENCHMARKS.parent))

from tests.conformance.s3_server import KEYS, s3_server

BUCKET = "jobs"
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")


def measured(sizes: Sequence[int]) -> list[Counter[str]]:
    """The requests of a whole job of each size, by method: from its run to its end."""
    with tempfile.TemporaryDirectory(prefix="fanfold-bench-") as place:
        folder = Path(place)
        with s3_server(folder) as store:
            store.bucket(BUCKET)
            where = {
                "storage": f"s3://{BUCKET}/bench",
                "storage_endpoint": store.url,
                "storage_access_key": KEYS[0],
                "storage_secret_key": KEYS[1],
            }
            with serving(folder / "state", requests_per_s=100_000, **where) as server:
                caller = Caller(server)
                caller.push(made(folder), "tiny@0.1")
                _done(caller, 12)
                return [_requests(caller, chunks, folder / "moto.log") for chunks in sizes]


def _requests(caller: Caller, chunks: int, log: Path) -> Counter[str]:
    before = _noted(log)
    _done(caller, chunks)
    return _noted(log) - before


def _noted(log: Path) -> Counter[str]:
    lines = log.read_text(errors="replace").splitlines()
    return Counter(method for line in lines for method in METHODS if f'"{method} /' in line)


def _done(caller: Caller, chunks: int) -> None:
    job_id = begun(caller, chunks)
    while (job := caller.call("GET", f"{JOBS}/{job_id}")["job"])["state"] not in ENDED:
        time.sleep(POLL_S)
    if job["state"] != "JOB_STATE_COMPLETE":
        raise RuntimeError(f"the job failed: {job}")


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000])
    sizes = parser.parse_args().sizes
    rows = [
        (f"{chunks:,}", *(f"{found[method] / chunks:.3f}" for method in METHODS))
        for chunks, found in zip(sizes, measured(sizes), strict=True)
    ]
    print(table(("chunks", *METHODS), rows))


if __name__ == "__main__":
    main()
