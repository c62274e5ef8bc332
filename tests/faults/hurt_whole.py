"""The largest installation: servers over PostgreSQL, an S3 endpoint and three Ray nodes; what may happen to those."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from fanfold.effects import Effects
from fanfold.ports.wallet import EntryFilter
from fanfold.stores.postgres import PostgresStore
from fanfold.stores.wallet import SqlWallet
from tests.compat.server import until
from tests.conformance.s3_server import content
from tests.faults.compared_books import charge
from tests.faults.hurt_cluster import CHUNKS, WITHIN_S, Cluster, output_of
from tests.whole_cluster import NODES, Nodes, Parts, whole_cluster

MOST_EVENTS = 5000
OF_AN_ATTEMPT = re.compile(r"(?:results|logs)/([a-z]+-\d+\.\d+)[./]")


class Whole(Cluster):
    """Servers over all of the parts. They charge for what runs."""

    def __init__(self, place: Path, parts: Parts) -> None:
        self.way, self.nodes = parts.way, Nodes(parts.ray)
        self.lost_at = 0.0
        self._name, self._bucket = place.name, parts.bucket
        self._frozen: list[psutil.Process] = []
        self._frozen_workers: list[psutil.Process] = []
        super().__init__(place, parts.database, **parts.settings(place.name))
        with self.door() as door:
            self.account = charge(door)

    def mend(self) -> None:
        self._thaw()
        for number in range(NODES):
            self.nodes.start(number)
        super().mend()

    def a_busy_node(self) -> int:
        """One that runs programs, not the head."""
        found: list[int] = []

        def busy() -> bool:
            found[:] = [number for number in range(1, NODES) if self.nodes.runs_programs(number)]
            return bool(found)

        until("programs run on a node", busy, WITHIN_S)
        return found[0]

    def freeze(self, number: int) -> None:
        """All of a node at once, until it is mended."""
        self._frozen = self.nodes.tree(number)
        for process in self._frozen:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        self._frozen_workers = self.nodes.workers(number)

    def _thaw(self) -> None:
        while self._frozen:
            with suppress(psutil.NoSuchProcess):
                self._frozen.pop().resume()

    def ran_again_after(self) -> float | None:
        """Until the last of the lost tasks of the latest job ran again, in seconds; None where none was lost."""
        with closing(PostgresStore(self.url, Effects())) as store:
            tasks = store.tasks(self.job_id, limit=CHUNKS)[0]
        since = [task.started_at.timestamp() - self.lost_at for task in tasks if task.attempt > 1 and task.started_at]
        return max(since, default=None)

    def wakes_in_vain(self) -> None:
        """Wake what was frozen, now that the latest job is complete: its workers end, and nothing else changes."""
        assert self._frozen_workers, "no worker was frozen"
        rows, stored = self._remembered(), self._stored()
        self._thaw()
        left = psutil.wait_procs(self._frozen_workers, timeout=WITHIN_S)[1]
        assert left == [], "what a frozen worker began goes on"
        assert self._remembered() == rows
        now = self._stored()
        assert now | stored == now, "stored data is gone or another"
        made = [OF_AN_ATTEMPT.match(name) or name for name in now.keys() - stored.keys()]
        assert [one for one in made if isinstance(one, str) or one[1] in rows["winners"]] == []

    def _remembered(self) -> dict[str, Any]:
        """All rows of the latest job, the books and its output: what a late report could change."""
        with closing(PostgresStore(self.url, Effects())) as store:
            wallet, job = SqlWallet(store.database, store.books), store.job(self.job_id)
            winners = {attempt.name: attempt for attempt in store.current_results(job.id)}
            tasks = [store.task(winners[name].task) for name in sorted(winners)]
            assert store.violations() == []
            rows = {
                "job": job,
                "winners": winners,
                "tasks": tasks,
                "attempts": [store.attempts(task.key) for task in tasks],
                "history": store.events(0, MOST_EVENTS, job_id=job.id),
                "results": list(store.results(job.id)),
                "ledger": list(wallet.each_entry(EntryFilter())),
                "balance": wallet.balance(job.account_id),
            }
        with self.door() as door:
            return rows | {"output": output_of(door, self.job_id)}

    def _stored(self) -> dict[str, bytes]:
        """The latest job's objects in the bucket, by their names below its folder: `results/<attempt>/...`."""
        folder = f"{self._name}/jobs/{self.job_id}/"
        return {name.removeprefix(folder): found for name, found in content(self._bucket, folder).items()}


def kill_a_node(cluster: Whole) -> None:
    number = cluster.a_busy_node()
    cluster.lost_at = time.time()
    cluster.nodes.kill(number)


def freeze_a_node(cluster: Whole) -> None:
    number = cluster.a_busy_node()
    cluster.lost_at = time.time()
    cluster.freeze(number)


def freeze_the_head(cluster: Whole) -> None:
    """Until the job is done: it knows the nodes and finds places for workers, but what works goes on without it."""
    cluster.lost_at = time.time()
    cluster.freeze(0)


def kill_the_head(cluster: Whole) -> None:
    """An operator starts it again at the same address, and with it the nodes, which do not outlive it."""
    for number in range(NODES):
        cluster.nodes.kill(number)
    for number in range(NODES):
        cluster.nodes.start(number)


def take_the_storage_away(cluster: Whole, seconds: float) -> None:
    cluster.way.shut()
    give_up = time.monotonic() + seconds
    until("the storage was away for its time", lambda: time.monotonic() > give_up, 2 * seconds + WITHIN_S)
    cluster.way.open()


@contextmanager
def hurt(folder: Path) -> Iterator[Whole]:
    """One in a folder; every invariant holds when the block is left."""
    with whole_cluster(folder) as parts:
        cluster = Whole(folder / "hurt", parts)
        try:
            yield cluster
            cluster.mend()
            cluster.close()
        finally:
            cluster.end()
            cluster.nodes.close()
