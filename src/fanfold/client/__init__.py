"""The Python client: `Client` for threads, `AsyncClient` for asyncio, `map` for a whole job in one line."""

from __future__ import annotations

from fanfold.client.aio.client import AsyncClient
from fanfold.client.aio.job import AsyncJob
from fanfold.client.errors import ApiError, BadAnswer, ClientError, JobFailed, NoAnswer, NotSignedIn, TookTooLong
from fanfold.client.mapping import map  # noqa: A004 - it is used as fanfold.map
from fanfold.client.sync.client import Client
from fanfold.client.sync.job import Job

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncJob",
    "BadAnswer",
    "Client",
    "ClientError",
    "Job",
    "JobFailed",
    "NoAnswer",
    "NotSignedIn",
    "TookTooLong",
    "map",
]
