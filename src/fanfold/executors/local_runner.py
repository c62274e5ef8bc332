"""The server's side of one local runner: its process, the socket to it, and the orders that it holds."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from fanfold.jobs.models import AttemptKey
from fanfold.ports.executor import RunOrder
from fanfold.runner import messages

PACKED = 16
"""A runner of short programs holds so many orders, so that none waits for a message and some settle together."""

SHORT_S = 0.05


class RunnerProcess:
    """A runner and what its server knows of it."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], channel: socket.socket, begun: int, heard: float
    ) -> None:
        self.name = name
        self.process = process
        self.channel = channel
        self.begun_file = begun
        self.heard = heard
        self.buffer = b""
        self.orders: dict[AttemptKey, RunOrder] = {}
        self.settling: set[AttemptKey] = set()
        self.cancelled: set[AttemptKey] = set()
        self.kill_at: float | None = None
        self.begun = heard
        self.took_s = SHORT_S
        self.done = 0
        self.recalled = False
        self.scratch: Path | None = None

    @property
    def order(self) -> RunOrder | None:
        """The order it works on: the first of those it holds."""
        return next(iter(self.orders.values()), None)

    def takes(self, silent: float) -> bool:
        """Whether it may be given one more order: while a program runs, only where programs are short. Not where it was
        not heard of since `silent`, nor where it has yet to end a cancelled run: it may be frozen."""
        if self.cancelled or self.heard <= silent:
            return False
        return self.is_free() or (self.took_s < SHORT_S and len(self.orders) < PACKED)

    def is_free(self) -> bool:
        """Whether none of its programs runs or waits: of all that it holds only the results are missing."""
        return len(self.orders) == len(self.settling)

    def settle_up_to(self, attempt: AttemptKey) -> None:
        """The programs of this attempt and of all that it was given before have ended."""
        attempts = list(self.orders)
        if attempt in self.orders:
            self.settling.update(attempts[: attempts.index(attempt) + 1])

    def not_begun(self) -> list[RunOrder]:
        """Of its orders those that wait behind others, as far as its server can know."""
        orders = list(self.orders.values())
        last = self.begun_last()
        return next((orders[place + 1 :] for place, order in enumerate(orders) if order.attempt == last), orders)

    def begun_last(self) -> AttemptKey | None:
        """The attempt whose program it began last; None where it had none yet."""
        return messages.marked(os.pread(self.begun_file, messages.MARK_BYTES, 0))

    def end(self) -> str:
        """How its process ended, in words."""
        code = self.process.returncode
        return f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def let_go(self) -> None:
        """Close what its server holds of it."""
        self.channel.close()
        os.close(self.begun_file)
