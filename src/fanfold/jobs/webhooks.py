"""Webhooks, as far as they are arithmetic: which events they tell, how a message is signed, when a failed one is tried
again. Messages follow the Standard Webhooks specification (standardwebhooks.com), so its libraries verify them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from fanfold.jobs.lifecycle import MOVES

EVENT_NAMES = tuple(sorted(["Created", *(event.__name__ for event in MOVES)]))
ENDS = ("Aborted", "Delivered", "Failed")
"""What a webhook tells unless it says otherwise: that a job has ended."""

EVERYTHING = "*"
"""As the one name of an event: every event of jobs. Events of tasks are not told; they have a stream."""

SECRET_BYTES = 24
KEY_MARK = "whsec_"

WAITS_S = (5, 30, 120, 600, 1800, 3600, 4 * 3600, 8 * 3600, 8 * 3600)
"""Seconds after each failed attempt; a message has one attempt more than there are waits, within about a day."""


def try_again_at(attempts: int, now: datetime) -> datetime | None:
    """When a message is tried again that has failed so many times; None where it is given up."""
    return now + timedelta(seconds=WAITS_S[attempts - 1]) if attempts <= len(WAITS_S) else None


def secret_text(secret: bytes) -> str:
    """A secret as people and libraries take it."""
    return KEY_MARK + base64.b64encode(secret).decode()


def signed_headers(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message, `webhook-signature` among them: HMAC-SHA256 over id, time and body."""
    stamp = str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix(KEY_MARK))
    signature = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
