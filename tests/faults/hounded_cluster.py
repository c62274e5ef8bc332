"""A whole cluster whose API processes and orchestrators are killed again and again. Callers turn to whichever process
answers, as behind a load balancer."""

from __future__ import annotations

import threading
import time

from tests.compat.server import Door, Server, until
from tests.faults.callers import BACK_WITHIN_S, Unreliable
from tests.faults.hurt_cluster import Cluster, taken_over

API, ACTIVE = "an API process", "the active orchestrator"
KINDS = [(API,), (ACTIVE,), (API, ACTIVE)]


class HoundedCluster(Unreliable):
    """The servers of a cluster; of each three kills, one is of an API process, one of the active orchestrator, and one
    of both at once."""

    def __init__(self, cluster: Cluster, seed: int, kills: int) -> None:
        super().__init__(seed)
        self._parts = kills + 1
        self._cluster = cluster
        self._doors = {server: server.door(cluster.key) for server in (cluster.api, *cluster.both)}
        self._choosing = threading.Lock()
        self._away: set[Server] = set()
        self._next: list[tuple[str, ...]] = []

    def serving_door(self) -> Door:
        with self._choosing:
            return self._chance.choice([door for server, door in self._doors.items() if server not in self._away])

    def let_in(self, share: float) -> None:
        """Since work goes on while one is away: no more than is to be under way at the next kill."""
        until("it is killed again", lambda: share * self._parts < self.kills + 2, BACK_WITHIN_S)

    def kill(self) -> None:
        """What was killed is started again once another orchestrator leads."""
        self._next = self._next or self._chance.sample(KINDS, len(KINDS))
        kinds = self._next.pop()
        active, before = self._cluster.active(), self._cluster.lease()
        victims = {API: self._cluster.api, ACTIVE: active}
        self._away = {victims[kind] for kind in kinds}
        for server in self._away:
            server.kill()
            self._cluster.gone(server)
        if ACTIVE in kinds:
            taken_over(self._cluster, before, time.monotonic())
        self._cluster.mend()
        self._away = set()
        self.kills += 1

    def close(self) -> None:
        for door in self._doors.values():
            door.close()
