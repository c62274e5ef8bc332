"""Params of the S3 family, read: a bucket, a name in it, the endpoint of its kind of store."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from fanfold.datasources.places import texts
from fanfold.errors import BadInput, Problem
from fanfold.jobs.blocks import snake
from fanfold.jobs.models import DataRef
from fanfold.ports.secrets import Credentials

_NAMES = ("bucket_name", "cloud_region", "name", "secret_id", "endpoint_url", "access_key", "secret_key")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TYPES = {f"type.googleapis.com/bytenite.data_source.{name}" for name in ("S3DataSource", "StorjDataSource")}


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a kind of store is reached, by region; an empty endpoint is given by the user."""

    endpoint: str
    region: str


PROVIDERS = {
    "aws": Provider("https://s3.{region}.amazonaws.com", "us-east-1"),
    "s3": Provider("https://s3.{region}.amazonaws.com", "us-east-1"),
    "gcp": Provider("https://storage.googleapis.com", "auto"),
    "storj": Provider("https://gateway.storjshare.io", "us-east-1"),
    "wasabi": Provider("https://s3.{region}.wasabisys.com", "us-east-1"),
    "backblaze": Provider("https://s3.{region}.backblazeb2.com", "us-west-004"),
    "s3-compatible": Provider("", "us-east-1"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A name in a bucket, and the key that opens it; `field` is where the params stand, such as "dataSource"."""

    field: str
    endpoint: str
    bucket: str
    region: str
    name: str
    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"<{self.bucket} at {self.endpoint}>"

    @property
    def folder(self) -> str:
        """The name as a destination's folder, with its `/`; "" for the bucket itself."""
        return f"{self.name.rstrip('/')}/" if self.name.strip("/") else ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the endpoint."""
        parsed = urlsplit(self.endpoint)
        return parsed.hostname or "", parsed.port or (443 if parsed.scheme == "https" else 80)

    def refused(self, name: str, reason: str) -> BadInput:
        """The error that names a param of this place."""
        what = "source" if self.field == "dataSource" else "destination"
        return BadInput(f"the {what} cannot be used", [Problem(f"{self.field}.params.{name}", reason)])


def place_of(ref: DataRef, field: str, credentials: Credentials) -> Place:
    """The params, checked; BadInput with every problem at once."""
    named = {name if name.startswith("@") else snake(name): value for name, value in ref.params.items()}
    given = texts(replace(ref, params=_any_type(named)), field, _NAMES, "S3DataSource")
    provider = PROVIDERS[ref.descriptor]
    problems = []
    bucket, region = given.get("bucket_name", ""), given.get("cloud_region", "") or provider.region
    if not _BUCKET.fullmatch(bucket):
        problems.append(Problem(f"{field}.params.bucketName", f"found '{bucket[:80]}', expected a bucket's name"))
    if not _REGION.fullmatch(region):
        problems.append(Problem(f"{field}.params.cloudRegion", f"found '{region[:80]}', expected a region's name"))
    endpoint = given.get("endpoint_url", "")
    if provider.endpoint and endpoint:
        problems.append(Problem(f"{field}.params.endpointUrl", "is for 's3-compatible' only"))
    elif not provider.endpoint and (problem := _endpoint_problem(endpoint)):
        problems.append(Problem(f"{field}.params.endpointUrl", problem))
    if problems:
        raise BadInput(f"the {'source' if field == 'dataSource' else 'destination'} cannot be used", problems)
    endpoint = endpoint or provider.endpoint.format(region=region)
    name = given.get("name", "").lstrip("/")
    return Place(field, endpoint, bucket, region, name, *_keys(ref, given, credentials))


def _keys(ref: DataRef, given: dict[str, str], credentials: Credentials) -> tuple[str, str]:
    """As they stand in the params where a place is only tried, else as they were sealed; none: unsigned."""
    if "secret_id" not in given:
        return given.get("access_key", ""), given.get("secret_key", "")
    found = credentials.find(ref.account_id, given["secret_id"])
    return found.access_key, found.secret_key


def _endpoint_problem(text: str) -> str:
    try:
        parsed = urlsplit(text)
        port = parsed.port
    except ValueError as err:
        return f"is not a URL: {err}"
    if parsed.scheme not in ("http", "https") or not parsed.hostname or port == 0:
        return f"found '{text[:80]}', expected a URL such as https://storage.example.org"
    if parsed.username or parsed.query or parsed.fragment or parsed.path not in ("", "/"):
        return "has more than a scheme, a host and a port"
    return ""


def _any_type(params: dict[str, Any]) -> dict[str, Any]:
    """Without the `@type` of the family, which is one of two."""
    return {name: value for name, value in params.items() if name != "@type" or value not in _TYPES}
