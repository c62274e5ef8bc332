"""A database is closed under nobody's hands."""

import threading

from fanfold.effects import Effects
from fanfold.stores.sqlite import SqliteDatabase


def test_a_database_in_memory_is_closed_when_its_readers_are_done() -> None:
    database = SqliteDatabase(None, Effects())
    closing = threading.Thread(target=database.close)
    with database.reading() as connection:
        closing.start()
        closing.join(0.05)
        assert closing.is_alive()
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    closing.join(10)
    assert not closing.is_alive()
