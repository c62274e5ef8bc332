"""Where input comes from and output goes, as a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fanfold.console.schema_forms import Texts
from fanfold.jobs.blocks import snake

STORES = ("aws", "gcp", "storj", "wasabi", "backblaze", "s3-compatible", "s3")
KINDS = {
    "file": "a file that I upload",
    "url": "a web address",
    "bypass": "nothing: what the params say",
    "bucket": "kept by this server for two days",
    "local": "a folder of the server",
    "aws": "Amazon S3",
    "gcp": "Google Cloud Storage",
    "storj": "Storj",
    "wasabi": "Wasabi",
    "backblaze": "Backblaze B2",
    "s3-compatible": "another S3-compatible store",
}
SOURCES = ("file", "url", "bypass", "local", *STORES[:6])
DESTINATIONS = ("bucket", "bypass", "local", *STORES[:6])


@dataclass(frozen=True, slots=True)
class PlaceField:
    """One param of a place, for the kinds that have it."""

    key: str
    label: str
    kinds: tuple[str, ...]
    help: str = ""


FIELDS = (
    PlaceField("url", "Address", ("url",), "http:// or https://"),
    PlaceField("path", "Path", ("local",), "Below a folder that the operator allowed."),
    PlaceField("bucketName", "Bucket", STORES),
    PlaceField("endpointUrl", "Endpoint", ("s3-compatible",), "Scheme, host and port."),
    PlaceField("cloudRegion", "Region", STORES, "Empty for the usual one."),
    PlaceField("name", "Name", STORES, "An object, a folder that ends in /, or a pattern with *."),
    PlaceField("secret_id", "Secret", STORES, "The id of a secret of this account that holds the keys."),
)


def place_values(place: str, texts: Texts) -> dict[str, Any]:
    """A place as the API takes it: the params that its kind has."""
    kind = texts(f"{place}.kind") or "bypass"
    typed = {one.key: (texts(f"{place}.params.{one.key}") or "").strip() for one in FIELDS if kind in one.kinds}
    return {"dataSourceDescriptor": kind, "params": {key: text for key, text in typed.items() if text}}


def place_texts(place: str, given: Mapping[str, Any] | None, usual: str) -> dict[str, str]:
    """The texts of the form for a place as the API has it."""
    given = given or {}
    known = {snake(str(key)): str(value) for key, value in (given.get("params") or {}).items()}
    found = {f"{place}.kind": given.get("dataSourceDescriptor") or usual}
    return found | {f"{place}.params.{one.key}": known.get(snake(one.key), "") for one in FIELDS}
