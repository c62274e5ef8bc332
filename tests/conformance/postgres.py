"""The PostgreSQL server of one test process, started when it is first asked for."""

import atexit
from functools import cache

from tests.postgres_server import PostgresServer


@cache
def shared_postgres() -> PostgresServer:
    """A server that no test may stop."""
    server = PostgresServer().start()
    atexit.register(server.close)
    return server
