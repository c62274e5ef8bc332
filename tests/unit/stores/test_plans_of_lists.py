"""Long lists of jobs are found by the index that was made for them."""

from contextlib import closing

import pytest
import sqlalchemy as sa

from fanfold.effects import Effects
from fanfold.ports.store import JobFilter
from fanfold.stores import queries
from fanfold.stores.sqlite import SqliteStore


@pytest.mark.parametrize("order", ["created_at", "name", "started_at", "ended_at"])
def test_a_list_of_jobs_is_found_by_its_own_index(order: str) -> None:
    wanted = queries.list_jobs(JobFilter(account_id="ann", order_by=order, limit=50))
    with closing(SqliteStore(None, Effects())) as store, store.database.reading() as connection:
        text = wanted.compile(connection.engine, compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in connection.execute(sa.text(f"EXPLAIN QUERY PLAN {text}"))]
    assert any("INDEX jobs_listed (account_id=?)" in step for step in plan), plan
