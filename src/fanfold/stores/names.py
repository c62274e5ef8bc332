"""What our connections to PostgreSQL are known by there: locks, the channel of wake-ups, names of processes."""

from __future__ import annotations

import os
import re
import secrets
import socket

CHANNEL = "fanfold"
WRITE_LOCK = 0x66616E66
OWNER_LOCK = 0x66616E67
"""Any numbers that no other program of the same database uses."""

HOST_LETTERS = 30


def process_name() -> str:
    """A name for this process that no other has: machine, process, chance. Nothing in it needs quotes."""
    host = re.sub(r"[^A-Za-z0-9.-]", "", socket.gethostname())[:HOST_LETTERS]
    return f"{host}:{os.getpid()}:{secrets.token_hex(4)}"


def of_process(name: str) -> str:
    """The `application_name` of a process's connections; PostgreSQL keeps 63 letters."""
    return f"fanfold/{name}"
