"""The way in: one server, one key."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from fanfold.client import access_calls, calls
from fanfold.client.aio.blocks import AsyncBlocks
from fanfold.client.aio.caches import AsyncCaches
from fanfold.client.aio.jobs import AsyncJobs
from fanfold.client.aio.keys import AsyncKeys
from fanfold.client.aio.secrets import AsyncSecrets
from fanfold.client.aio.storage import AsyncStorage
from fanfold.client.aio.templates import AsyncTemplates
from fanfold.client.aio.transport import AsyncTransport
from fanfold.client.aio.wallet import AsyncWallet
from fanfold.client.aio.webhooks import AsyncWebhooks
from fanfold.client.credentials import find, plain_url
from fanfold.client.dev_calls import Kind
from fanfold.client.exchange import Session
from fanfold.client.fields import plain
from fanfold.wire.auth import AuthUser
from fanfold.wire.jobs import DataSourceDataSource, DataTestAnswer, Stats


class AsyncClient:
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
        self._transport = AsyncTransport(session, timeout_s)
        self.jobs = AsyncJobs(self._transport)
        self.apps = AsyncBlocks(self._transport, Kind.APP)
        self.engines = AsyncBlocks(self._transport, Kind.ENGINE)
        self.templates = AsyncTemplates(self._transport)
        self.keys = AsyncKeys(self._transport)
        self.secrets = AsyncSecrets(self._transport)
        self.storage = AsyncStorage(self._transport)
        self.wallet = AsyncWallet(self._transport)
        self.webhooks = AsyncWebhooks(self._transport)
        self.caches = AsyncCaches(self._transport)

    @property
    def url(self) -> str:
        """The server's URL."""
        return self._transport.url

    async def info(self) -> dict[str, Any]:
        """The server's version and greeting; works without a good key."""
        return await self._transport.perform(calls.info())

    async def user(self) -> AuthUser:
        """Who is signed in."""
        return (await self._transport.perform(access_calls.user())).user

    async def stats(self) -> Stats:
        """Counts by state, and throughput."""
        return await self._transport.perform(calls.stats())

    async def balance(self) -> dict[str, Any]:
        """The account's balance in chips."""
        return await self._transport.perform(calls.balance())

    async def test_datasource(
        self,
        source: DataSourceDataSource | Mapping[str, Any] | None = None,
        destination: DataSourceDataSource | Mapping[str, Any] | None = None,
    ) -> DataTestAnswer:
        """Have the server try a source, a destination, or both: it looks what the source holds (`preview`), and writes
        and deletes a small object. Raises BadRequest that says in words what is wrong."""
        given = {"dataSource": source, "dataDestination": destination}
        places = {name: plain(place) for name, place in given.items() if place}
        return await self._transport.perform(calls.try_datasource(places))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
