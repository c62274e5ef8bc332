"""What only PostgreSQL does: it goes away and comes back, has other owners, and hears of others' commits."""

import threading
from collections.abc import Iterator, Sequence

import psycopg
import pytest
import sqlalchemy as sa

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, OutOfSpace, Unavailable
from fanfold.stores import names, postgres
from fanfold.stores.postgres import Hold, PostgresDatabase, PostgresStore
from fanfold.stores.schema import jobs
from fanfold.stores.sql import SqlStore
from fanfold.stores.wallet import SqlWallet
from tests.conformance.postgres import eventually, shared_postgres
from tests.postgres_server import PostgresServer, postgres_server
from tests.values import NOON, a_job

WAIT_S = 20.0


@pytest.fixture
def url() -> str:
    return shared_postgres().new_database()


@pytest.fixture
def database(url: str) -> Iterator[PostgresDatabase]:
    made = PostgresDatabase(url, Effects())
    yield made
    made.close()


def terminated(server: PostgresServer, url: str) -> None:
    """End every connection to a database."""
    server.do(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.rpartition('/')[2]}'")


def test_servers_share_a_database_and_who_moves_it_has_it_alone(url: str) -> None:
    first, second = (PostgresDatabase(url, Effects()) for _ in range(2))
    assert (first.is_shared(), second.is_shared()) == (True, True)
    with pytest.raises(Conflict, match=r"in use\. Stop all its servers"):
        alone(url)
    second.close()
    eventually(lambda: _check(not first.is_shared()), AssertionError, WAIT_S)
    first.close()
    movers: list[PostgresDatabase] = []
    eventually(lambda: movers.append(alone(url)), Conflict, WAIT_S)  # its server sees a little later who is gone
    with pytest.raises(Conflict, match="A command is moving it"):
        PostgresDatabase(url, Effects())
    movers[0].close()
    eventually(lambda: PostgresDatabase(url, Effects()).close(), Conflict, WAIT_S)


def test_servers_of_another_database_do_not_share_this_one(database: PostgresDatabase) -> None:
    other = PostgresDatabase(shared_postgres().new_database(), Effects())
    try:
        assert not database.is_shared()
    finally:
        other.close()


def alone(url: str) -> PostgresDatabase:
    return PostgresDatabase(url, Effects(), hold=Hold.ALONE)


def _check(what: bool) -> None:
    assert what


def test_a_password_is_not_told(url: str) -> None:
    with pytest.raises(Unavailable) as refused:
        PostgresDatabase("postgresql://ann:hunter2@127.0.0.1:1/none", Effects())
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("wrong", ["postgresql://[", "postgresql://h:port/x"])
def test_an_url_that_is_none_is_refused_in_words(wrong: str) -> None:
    with pytest.raises(BadInput, match="postgresql://user"):
        PostgresDatabase(wrong, Effects())


def test_connections_that_were_ended_are_made_anew_and_owned_again(url: str) -> None:
    store = PostgresStore(url, Effects())
    try:
        store.insert_job(a_job("before"), "ann")
        terminated(shared_postgres(), url)
        eventually(lambda: store.insert_job(a_job("after"), "ann"), Unavailable, WAIT_S)
        assert {job_id for job_id in ("before", "after") if store.job(job_id)} == {"before", "after"}
        eventually(lambda: _check_owned(url), AssertionError, WAIT_S)
        with pytest.raises(Conflict):
            alone(url)
    finally:
        store.close()


def _check_owned(url: str) -> None:
    with psycopg.connect(url) as connection:
        held = connection.execute(postgres._HOLDS, [names.OWNER_LOCK]).fetchone()
    assert held == (1,)


def test_who_lost_the_database_to_one_that_moves_it_writes_nothing(url: str, database: PostgresDatabase) -> None:
    winners: list[PostgresDatabase] = []

    def take() -> None:
        terminated(shared_postgres(), url)
        winners.append(alone(url))

    def write() -> None:
        with pytest.raises(Unavailable, match="held by a command that moves it"), database.writing("anything"):
            pass

    eventually(take, (Conflict, Unavailable), WAIT_S)
    eventually(write, BaseException, WAIT_S)
    winners[0].close()
    eventually(lambda: _written(database), Unavailable, WAIT_S)


def _written(database: PostgresDatabase) -> None:
    with database.writing("anything"):
        pass


def test_a_writer_that_stands_still_loses_its_turn(url: str) -> None:
    short = postgres._SETTINGS.replace("session_timeout=5s", "session_timeout=300ms")
    store = PostgresStore(url, Effects())
    other = sa.create_engine(url.replace("://", "+psycopg://"), connect_args={"options": short})
    try:
        with other.connect() as frozen:
            frozen.execute(sa.text(f"SELECT pg_advisory_xact_lock({names.WRITE_LOCK})"))
            store.insert_job(a_job("in-time"), "ann")
            with pytest.raises(sa.exc.DBAPIError, match="idle-in-transaction"):
                frozen.execute(sa.select(jobs.c.id))
    finally:
        other.dispose()
        store.close()


def test_others_commits_are_heard(url: str, database: PostgresDatabase) -> None:
    heard = threading.Semaphore(0)
    database.listen(heard.release)
    with psycopg.connect(url, autocommit=True) as other:
        for _ in range(2):  # where it begins to listen, it looks once by itself
            other.execute("SELECT pg_notify(%s, 'another')", [names.CHANNEL])
            assert heard.acquire(timeout=WAIT_S)


def test_what_others_committed_while_nobody_listened_is_looked_for(url: str, database: PostgresDatabase) -> None:
    heard = threading.Semaphore(0)
    database.listen_to_others(heard.release)
    for _ in range(2):  # where it begins to listen, it looks once by itself
        eventually(lambda: _check_owned(url), AssertionError, WAIT_S)
        terminated(shared_postgres(), url)
        assert heard.acquire(timeout=WAIT_S)


def test_a_restart_is_ridden_out() -> None:
    with postgres_server(durable=True) as server:
        store = PostgresStore(server.new_database(), Effects())
        try:
            store.insert_job(a_job("before"), "ann")
            server.stop()
            with pytest.raises(Unavailable):
                store.job("before")
            server.start()
            eventually(lambda: store.insert_job(a_job("after"), "ann"), Unavailable, WAIT_S)
            assert store.job("before").id == "before"
        finally:
            store.close()


def test_many_rows_come_by_copy_as_they_are(url: str, database: PostgresDatabase) -> None:
    table = sa.Table(
        "odd", sa.MetaData(), sa.Column("a", sa.Text), sa.Column("b", sa.JSON), sa.Column("c", sa.BigInteger)
    )
    rows = [
        {"a": "tab\t back\\slash\nline ünïcode 'quote' \\N", "b": {"x": [1, None, "\\"]}, "c": 2**53},
        {"a": "", "b": None, "c": None},
    ]
    with database.writing("odd rows") as connection:
        table.create(connection)
        database.insert_many(connection, table, rows)
        assert [dict(row) for row in connection.execute(sa.select(table)).mappings()] == rows


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("disk_full", OutOfSpace),
        ("read_only_sql_transaction", Unavailable),
        ("admin_shutdown", Unavailable),
        ("numeric_value_out_of_range", BadInput),
        ("unique_violation", sa.exc.IntegrityError),
    ],
)
def test_what_goes_wrong_while_rows_are_copied_is_what_it_is_elsewhere(
    database: PostgresDatabase, code: str, told: type[Exception]
) -> None:
    table = sa.Table("guarded", sa.MetaData(), sa.Column("a", sa.BigInteger))
    raises = f"BEGIN RAISE EXCEPTION 'no' USING ERRCODE = ''{code}''; END".replace("'no'", "''no''")
    with database.writing("a table that takes nothing") as connection:
        table.create(connection)
        connection.exec_driver_sql(f"CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS '{raises}'")
        connection.exec_driver_sql("CREATE TRIGGER no BEFORE INSERT ON guarded FOR EACH ROW EXECUTE FUNCTION no()")
    for insert in (_inserted, database.insert_many):
        with pytest.raises(told) as found, database.writing("a row") as connection:
            insert(connection, table, [{"a": 1}])
        assert found.type is told, insert


def _inserted(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, int]]) -> None:
    connection.execute(sa.insert(table).values(rows))


def test_a_connection_that_is_ended_within_a_part_of_a_group_is_told_as_one_that_was(url: str) -> None:
    store = PostgresStore(url, Effects())
    try:
        with pytest.raises(Unavailable, match="does not answer"):
            _ended_in_a_part(store, url)
        eventually(lambda: store.insert_job(a_job("after"), "ann"), Unavailable, WAIT_S)
    finally:
        store.close()


def _ended_in_a_part(store: PostgresStore, url: str) -> None:
    with store.grouped(), store.database.writing("a part") as connection:
        terminated(shared_postgres(), url)
        connection.exec_driver_sql("SELECT 1")


def test_a_server_hears_that_another_begins_to_charge(url: str) -> None:
    """Also by the store that its orchestrator writes through."""
    one, other = (PostgresStore(url, Effects()) for _ in range(2))
    led = other.fenced(lambda: 0)
    assert isinstance(led, SqlStore)

    def charges() -> None:
        with other.database.reading() as connection:
            assert led.books.charges(connection)

    with pytest.raises(AssertionError):
        charges()
    SqlWallet(one.database, one.books).enable(lambda: NOON)
    eventually(charges, AssertionError, WAIT_S)
    for store in (one, other):
        store.close()
