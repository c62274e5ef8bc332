# Made from aio/client.py by tools/make_sync_client.py; change that one.
"""The way in: one server, one key."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from fanfold.client import access_calls, calls
from fanfold.client.credentials import find, plain_url
from fanfold.client.dev_calls import Kind
from fanfold.client.exchange import Session
from fanfold.client.fields import plain
from fanfold.client.sync.blocks import Blocks
from fanfold.client.sync.caches import Caches
from fanfold.client.sync.jobs import Jobs
from fanfold.client.sync.keys import Keys
from fanfold.client.sync.secrets import Secrets
from fanfold.client.sync.storage import Storage
from fanfold.client.sync.templates import Templates
from fanfold.client.sync.transport import Transport
from fanfold.client.sync.wallet import Wallet
from fanfold.client.sync.webhooks import Webhooks
from fanfold.wire.auth import AuthUser
from fanfold.wire.jobs import DataSourceDataSource, DataTestAnswer, Stats


class Client:
    """A client of one server.

    Without arguments: FANFOLD_URL and FANFOLD_API_KEY, or what `fanfold login` stored. A call that meets a busy or
    absent server is repeated, with growing waits, for `retry_s` seconds; `timeout_s` is for one connection and for each
    next piece of an answer. `token`: an access token to use instead of a key; it cannot be renewed.
    """

    def __init__(
        self, url: str = "", api_key: str = "", *, token: str = "", timeout_s: float = 30.0, retry_s: float = 60.0
    ) -> None:
        if token:
            session = Session(plain_url(url), token=token, retry_s=retry_s)
        else:
            found = find(url, api_key)
            session = Session(found.url, found.api_key, retry_s=retry_s)
        self._transport = Transport(session, timeout_s)
        self.jobs = Jobs(self._transport)
        self.apps = Blocks(self._transport, Kind.APP)
        self.engines = Blocks(self._transport, Kind.ENGINE)
        self.templates = Templates(self._transport)
        self.keys = Keys(self._transport)
        self.secrets = Secrets(self._transport)
        self.storage = Storage(self._transport)
        self.wallet = Wallet(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.caches = Caches(self._transport)

    @property
    def url(self) -> str:
        """The server's URL."""
        return self._transport.url

    def info(self) -> dict[str, Any]:
        """The server's version and greeting; works without a good key."""
        return self._transport.perform(calls.info())

    def user(self) -> AuthUser:
        """Who is signed in."""
        return (self._transport.perform(access_calls.user())).user

    def stats(self) -> Stats:
        """Counts by state, and throughput."""
        return self._transport.perform(calls.stats())

    def balance(self) -> dict[str, Any]:
        """The account's balance in chips."""
        return self._transport.perform(calls.balance())

    def test_datasource(
        self,
        source: DataSourceDataSource | Mapping[str, Any] | None = None,
        destination: DataSourceDataSource | Mapping[str, Any] | None = None,
    ) -> DataTestAnswer:
        """Have the server try a source, a destination, or both: it looks what the source holds (`preview`), and writes
        and deletes a small object. Raises BadRequest that says in words what is wrong."""
        given = {"dataSource": source, "dataDestination": destination}
        places = {name: plain(place) for name, place in given.items() if place}
        return self._transport.perform(calls.try_datasource(places))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
