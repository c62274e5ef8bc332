"""Registries by name: name -> "module:Class", imported at first use, so that an optional part costs nothing unused."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from fanfold.errors import BadInput, MissingPart, Problem

EXECUTORS: Mapping[str, str] = {
    "local": "fanfold.executors.local:LocalExecutor",
    "ray": "fanfold.executors.ray:RayExecutor",
}
STORES: Mapping[str, str] = {
    "postgresql": "fanfold.stores.postgres:PostgresStore",
    "sqlite": "fanfold.stores.sqlite:SqliteStore",
}
BLOBS: Mapping[str, str] = {"files": "fanfold.blobs.files:FileBlobs", "s3": "fanfold.blobs.s3:S3Blobs"}
PLATFORMS: Mapping[str, str] = {
    "container": "fanfold.platforms.container:ContainerPlatform",
    "process": "fanfold.platforms.process:ProcessPlatform",
}
DATA_SOURCES: Mapping[str, str] = {
    "bucket": "fanfold.datasources.bucket:Bucket",
    "bypass": "fanfold.datasources.bypass:Bypass",
    "file": "fanfold.datasources.upload:UploadedFile",
    "local": "fanfold.datasources.local:LocalFolder",
    "url": "fanfold.datasources.url:WebFile",
}

EXTRAS: Mapping[str, str] = {"PIL": "images", "psycopg": "postgres", "pyarrow": "parquet", "ray": "ray"}
"""Which extra brings an optional library."""


def load(registry: Mapping[str, str], name: str, what: str) -> Any:
    """The class registered under `name`; raises BadInput for an unknown name, MissingPart for a missing library."""
    if name not in registry:
        known = ", ".join(sorted(registry))
        raise BadInput(f"unknown {what}", [Problem(what, f"found {name[:100]!r}; known are {known}")])
    module, _, attribute = registry[name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as err:
        extra = EXTRAS.get(err.name or "")
        if extra is None:
            raise
        hint = f"Type: pip install 'fanfold[{extra}]'"
        raise MissingPart(f"{what} '{name}' needs the library '{err.name}'.", hint=hint) from err
