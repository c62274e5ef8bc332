"""A browser without a window: keeps cookies, follows no redirect, sends forms as pages of the console do."""

from __future__ import annotations

import re
from typing import Self

import httpx

from tests.compat.server import NO_TLS, Server

TOKEN = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


class Browser(httpx.Client):
    """Signed in, when it is entered, with a key."""

    def __init__(self, server: Server, key: str = "") -> None:
        super().__init__(base_url=server.url, timeout=30, verify=NO_TLS)
        self._key = key
        self._token = ""

    def __enter__(self) -> Self:
        super().__enter__()
        if self._key:
            answer = self.post("/console/sign-in", data={"key": self._key})
            assert answer.status_code == 303, answer.text
        return self

    def token(self) -> str:
        """What forms of the session carry."""
        if not self._token:
            found = TOKEN.search(self.get("/console/jobs").text)
            assert found
            self._token = found[1]
        return self._token

    def page(self, path: str, status: int = 200) -> str:
        """The text of a page."""
        answer = self.get(f"/console{path}")
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return answer.text

    def submit(self, path: str, **fields: str) -> httpx.Response:
        """Send a form."""
        return self.post(f"/console{path}", data={"csrf": self.token(), **fields})
