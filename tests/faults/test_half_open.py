"""R15: a database that is cut off, so that nobody is told that connections have ended, is told to be away within
seconds."""

import json
import os
import socket
import subprocess
import sys

import psutil
import pytest

from fanfold.effects import Effects
from fanfold.stores.postgres import PostgresStore
from tests.conformance.postgres import shared_postgres
from tests.faults.half_open import UNABLE
from tests.pace import patience, promised

QUESTIONS = ("a read", "a write", "a look at the lease")


@pytest.mark.timeout(400)
def test_whoever_waits_for_a_database_that_is_cut_off_is_told_so() -> None:
    within_s = promised(8.0)
    command = [sys.executable, "-m", "tests.faults.half_open", str(within_s)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience(90.0), check=False)
    if done.returncode == UNABLE:
        pytest.skip("a network of its own is not to be had here: that takes root, or CAP_SYS_ADMIN")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {name: told[name][0] for name in told} == {
        **{f"{name}, before": "answered" for name in QUESTIONS},
        **dict.fromkeys(QUESTIONS, "Unavailable"),
        **{f"{name}, after": "answered" for name in QUESTIONS},
    }
    assert max(told[name][1] for name in QUESTIONS) < within_s


def test_every_connection_to_the_database_gives_up_a_network_that_is_silent() -> None:
    """As the kernel has it, of every socket to the server."""
    store = PostgresStore(shared_postgres().new_database(), Effects())
    lease = store.database.lease()
    try:
        store.counts()
        lease.look()
        found = [_patience_of(conn.fd) for conn in psutil.Process().net_connections() if _is_ours(conn.raddr)]
        assert len(found) >= 3  # one listens, one reads, one looks
        assert set(found) == {(3000, True, 1, 1, 3)}
    finally:
        lease.close()
        store.close()


def _is_ours(address: object) -> bool:
    return bool(address) and getattr(address, "port", 0) == shared_postgres().port


def _patience_of(descriptor: int) -> tuple[int, bool, int, int, int]:
    """What is not acknowledged is given up after so many ms; whether, after how many s, how often and how many times
    the other side is asked whether it is there."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        tcp = [socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT]
        timeout_ms, idle_s, every_s, count = (copy.getsockopt(socket.IPPROTO_TCP, option) for option in tcp)
        return timeout_ms, bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)), idle_s, every_s, count
