"""Signed links: a path and a time, with proof that this server gave them out. Whoever has the link needs no token."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from fanfold.errors import NotFound

_LONGEST_NUMBER = 12


class Signer:
    """HMAC-SHA256 over path and expiry. The path is signed as it is before percent-encoding, so that a proxy that
    encodes otherwise breaks nothing."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def link(self, path: str, expires_at: datetime) -> str:
        """The path, encoded, with expiry (whole seconds since 1970) and signature as its query."""
        expires = str(int(expires_at.timestamp()))
        query = urlencode({"expires": expires, "signature": self._signature(path, expires)})
        return f"{quote(path, safe='/')}?{query}"

    def check(self, path: str, expires: str, signature: str, now: datetime) -> datetime:
        """Until when the link is good; NotFound for one that was not given out, was changed, or is over."""
        known = hmac.compare_digest(self._signature(path, expires).encode(), signature.encode("utf-8", "replace"))
        if not known or not expires.isascii() or not expires.isdigit() or len(expires) > _LONGEST_NUMBER:
            raise NotFound("this link is not one that this server gave out; ask for it again")
        until = datetime.fromtimestamp(int(expires), UTC)
        if now >= until:
            raise NotFound(f"this link was good until {until:%Y-%m-%dT%H:%M:%SZ}; ask for a new one")
        return until

    def _signature(self, path: str, expires: str) -> str:
        said = f"{path}\n{expires}".encode("utf-8", "replace")
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()
