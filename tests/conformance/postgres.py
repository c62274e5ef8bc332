"""The PostgreSQL server of one test process, started when it is first asked for."""

import atexit
import time
from collections.abc import Callable
from functools import cache

from tests.postgres_server import PostgresServer


@cache
def shared_postgres() -> PostgresServer:
    """A server that no test may stop."""
    server = PostgresServer().start()
    atexit.register(server.close)
    return server


def eventually(
    do: Callable[[], object], not_yet: type[BaseException] | tuple[type[BaseException], ...], deadline_s: float
) -> None:
    """Do something again and again until it does not raise `not_yet`."""
    deadline = time.monotonic() + deadline_s
    while True:
        try:
            do()
        except not_yet:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
