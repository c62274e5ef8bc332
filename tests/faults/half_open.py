"""A store and a lease whose network goes away under them: nothing that they send is answered, and nobody says so.

    python -m tests.faults.half_open SECONDS     in a network of its own, so nothing else is cut off

Prints, as JSON, what became of each question and after how many seconds; of those not ended within SECONDS, "waits".
Exits with UNABLE where this process may not have a network of its own.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from fanfold.effects import Effects
from fanfold.errors import FanfoldError
from fanfold.stores.postgres import PostgresStore
from tests.postgres_server import postgres_server
from tests.values import NOON

UNABLE = 77
_NEW_NETWORK = 0x40000000
_SET_FLAGS = 0x8914
_UP = 1


class Asked:
    """A question, put in a thread of its own."""

    def __init__(self, question: Callable[[], object]) -> None:
        self._question = question
        self.told = ("waits", 0.0)
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        began = time.monotonic()
        try:
            self._question()
        except FanfoldError as err:
            self.told = (type(err).__name__, time.monotonic() - began)
        else:
            self.told = ("answered", time.monotonic() - began)

    def within(self, seconds: float) -> tuple[str, float]:
        self._thread.join(seconds)
        return self.told


def alone() -> bool:
    """Go into a network of this process's own, which has nothing but a loopback; whether that was allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK) == 0:
        return True
    if ctypes.get_errno() not in (errno.EPERM, errno.EINVAL, errno.ENOSPC, errno.ENOSYS):
        raise OSError(ctypes.get_errno(), "unshare")
    return False


def loopback(*, up: bool) -> None:
    """While it is down what is sent is dropped, and connections know nothing of it."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP if up else 0))


def main(wait_s: float) -> None:
    """Ask before, while and after the network is away."""
    loopback(up=True)
    with postgres_server() as server:
        store = PostgresStore(server.new_database(), Effects())
        lease = store.database.lease()
        questions: dict[str, Callable[[], object]] = {
            "a read": store.counts,
            "a write": lambda: store.renew([], lease_until=NOON),
            "a look at the lease": lease.look,
        }
        try:
            at_once = {name: Asked(ask) for name, ask in questions.items()}
            before = {f"{name}, before": asked.within(wait_s) for name, asked in at_once.items()}
            loopback(up=False)
            cut_off = {name: Asked(ask) for name, ask in questions.items()}
            told = {name: asked.within(wait_s) for name, asked in cut_off.items()}
            loopback(up=True)
            after = {f"{name}, after": Asked(ask).within(wait_s) for name, ask in questions.items()}
        finally:
            loopback(up=True)
        print(json.dumps(before | told | after), flush=True)


if __name__ == "__main__":
    if not alone():
        sys.exit(UNABLE)
    main(float(sys.argv[1]))
    os._exit(0)  # whatever still waits
