"""Protects a server on loopback from pages in its user's browser: `Host` and `Origin` must be ones it is known by."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

PROBED = frozenset({"/health", "/ready", "/metrics"})
"""What probes, load balancers and Prometheus ask for by the address of a machine or pod, which no setting knows. It
needs no token and tells of no account: a page that reads it by a name of its own learns what its network learns."""


class HostGuard:
    """`allowed` are host names without port; empty lets every host pass (a server behind a proxy that checks). By any
    name a server answers for the paths `by_any_name`, to programs and to pages of allowed origins."""

    def __init__(
        self, allowed: frozenset[str], origins: frozenset[str], by_any_name: frozenset[str] = frozenset()
    ) -> None:
        self._allowed = allowed
        self._origins = origins
        self._by_any_name = by_any_name

    def refusal(self, request: Request) -> str:
        """Why a request is refused, in a sentence; "" when it is not."""
        if not self._allowed:
            return ""
        host = _host(request.headers.get("host", ""))
        if host not in self._allowed and request.url.path not in self._by_any_name:
            return f"this server is not known as '{host[:100]}'; add it to the setting allowed_hosts"
        origin = request.headers.get("origin", "")
        if origin and origin not in self._origins and (urlsplit(origin).hostname or "") not in self._allowed:
            return f"requests from the origin '{origin[:100]}' are not allowed; add it to the setting cors_origins"
        return ""


def _host(header: str) -> str:
    return (urlsplit(f"//{header}").hostname or "") if "@" not in header else header
