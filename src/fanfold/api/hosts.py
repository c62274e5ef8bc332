"""Protects a server on loopback from pages in its user's browser: `Host` and `Origin` must be ones it is known by."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request


class HostGuard:
    """`allowed` are host names without port; empty lets every host pass (a server behind a proxy that checks)."""

    def __init__(self, allowed: frozenset[str], origins: frozenset[str]) -> None:
        self._allowed = allowed
        self._origins = origins

    def refusal(self, request: Request) -> str:
        """Why a request is refused, in a sentence; "" when it is not."""
        if not self._allowed:
            return ""
        host = _host(request.headers.get("host", ""))
        if host not in self._allowed:
            return f"this server is not known as '{host[:100]}'; add it to the setting allowed_hosts"
        origin = request.headers.get("origin", "")
        if origin and origin not in self._origins and (urlsplit(origin).hostname or "") not in self._allowed:
            return f"requests from the origin '{origin[:100]}' are not allowed; add it to the setting cors_origins"
        return ""


def _host(header: str) -> str:
    return (urlsplit(f"//{header}").hostname or "") if "@" not in header else header
