"""When a connection to PostgreSQL gives up a network that is silent: a server that was cut off, or lost with its
machine, ends no connection. Without this who waits for an answer would do so for a quarter of an hour and more."""

from __future__ import annotations

from typing import Final, TypedDict


class Network(TypedDict):
    """libpq's parameters."""

    tcp_user_timeout: int
    keepalives_idle: int
    keepalives_interval: int
    keepalives_count: int


NETWORK: Final[Network] = {
    "tcp_user_timeout": 3000,  # ms until what was sent must be acknowledged
    "keepalives_idle": 1,  # s
    "keepalives_interval": 1,
    "keepalives_count": 3,
}
