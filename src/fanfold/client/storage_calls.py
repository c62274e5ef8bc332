"""The calls for the storage of a server."""

from __future__ import annotations

from fanfold.client.access_calls import AUTH
from fanfold.client.answers import reading
from fanfold.client.exchange import Call
from fanfold.wire.storage import CollectAnswer


def collect_garbage(dry_run: bool) -> Call[CollectAnswer]:
    """POST /storage/collect."""
    return Call("POST", f"{AUTH}/storage/collect", reading(CollectAnswer), body={"dryRun": dry_run})
