"""R1: a job that the API accepted is never lost. Callers make and run jobs while servers are killed again and again;
what nobody answered is sent again with its key, and has one effect. On a cluster it may be another process that gets
the repeat, and each charge is booked once."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from fanfold.effects import Effects
from fanfold.stores.postgres import PostgresStore
from fanfold.stores.sql import SqlStore
from fanfold.stores.sqlite import SqliteStore
from tests.compat.server import until
from tests.faults.callers import COMPLETE, Callers, effects_in, push_tiny
from tests.faults.compared_books import compared
from tests.faults.hounded import hounded
from tests.faults.hounded_cluster import HoundedCluster
from tests.faults.hurt_whole import hurt

SEED = 20260102


def each_had_one_effect(store: SqlStore, callers: Callers) -> None:
    made, ran = effects_in(store)
    once = dict.fromkeys(callers.ids.values(), 1)
    assert (made, ran) == (once, once)


@pytest.mark.parametrize(
    ("jobs", "kills"),
    [
        pytest.param(24, 4, marks=pytest.mark.timeout(120)),
        pytest.param(10_000, 200, marks=[pytest.mark.heavy, pytest.mark.timeout(7200)]),
    ],
)
def test_no_accepted_job_is_lost_whenever_the_server_dies(jobs: int, kills: int, tmp_path: Path) -> None:
    with hounded(tmp_path, SEED) as place:
        callers = Callers(place, jobs, place.push())
        callers.submit_while_killed(kills, callers.share)
        until("all jobs end", lambda: place.count(state=COMPLETE) == jobs, 30 + jobs / 2)
        assert callers.each_is_there_once()
    with closing(SqliteStore(place.server.database, Effects())) as store:
        each_had_one_effect(store, callers)
    print(f"{jobs} jobs, {place.kills} kills, {callers.cut_off} requests cut off: each exists once and completed")


@pytest.mark.needs(module="ray")
@pytest.mark.parametrize(
    ("jobs", "kills"),
    [
        pytest.param(10, 3, marks=pytest.mark.timeout(300)),
        pytest.param(500, 60, marks=[pytest.mark.heavy, pytest.mark.timeout(7200)]),
    ],
)
def test_no_accepted_job_is_lost_whichever_part_of_a_cluster_dies(jobs: int, kills: int, tmp_path: Path) -> None:
    with hurt(tmp_path) as cluster:
        with cluster.door() as door:
            fields = push_tiny(door)
        with closing(HoundedCluster(cluster, SEED, kills)) as place:
            callers = Callers(place, jobs, fields)
            callers.submit_while_killed(kills, callers.share)
            until("all jobs end", lambda: place.count(state=COMPLETE) == jobs, 60 + jobs)
            assert callers.each_is_there_once()
        with closing(PostgresStore(cluster.url, Effects())) as store:
            each_had_one_effect(store, callers)
        with psycopg.connect(cluster.url) as found:
            compared(lambda sql: found.execute(sql.encode()).fetchall(), set(callers.ids.values()), cluster.account)
    print(f"{jobs} jobs, {place.kills} kills, {callers.cut_off} requests cut off: each exists once and completed")
