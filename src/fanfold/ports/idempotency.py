"""What a server remembers of requests that carry an `Idempotency-Key`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reservation:
    """A key in use: the hash of its request, since when, the answer (status and body) once there is one, and the name
    of the process that works on it."""

    account_id: str
    key: str
    request: str
    at: datetime
    answer: tuple[int, str] | None = None
    process: str = ""


class IdempotencyStore(Protocol):
    """Durable when a call returns. Raises Unavailable, OutOfSpace."""

    def reserve(self, wanted: Reservation) -> Reservation | None:
        """Write the reservation, as this process's, where the account has none of that key (None); otherwise the one
        that is there."""

    def find(self, account_id: str, key: str) -> Reservation | None:
        """The reservation of the account's key, None where there is none; only reads."""

    def is_elsewhere(self, found: Reservation) -> bool:
        """Whether it is another process's that is there still."""

    def take_over(self, found: Reservation, at: datetime) -> bool:
        """Make an unanswered reservation this process's, with a new time; False where it changed meanwhile."""

    def answer(self, account_id: str, key: str, answer: tuple[int, str]) -> None:
        """Keep the answer to a reserved request."""

    def release(self, account_id: str, key: str) -> None:
        """Forget an unanswered reservation of this process, so that the key may be used again."""

    def forget(self, before: datetime) -> None:
        """Remove reservations, answered or not, that were made before a time."""
