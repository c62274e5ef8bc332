"""What of a draft may be changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanfold.errors import IllegalMove

DRAFT_FIELDS = frozenset(
    {
        *("name", "description", "template_id", "tags", "config", "priority", "regions", "params"),
        *("data_source", "data_destination", "start_at", "warnings"),
    }
)


def draft_fields(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Job field names to new values, as a dict; IllegalMove where one of them cannot be edited."""
    unknown = set(changes) - DRAFT_FIELDS
    if unknown:
        raise IllegalMove(f"a draft's {sorted(unknown)} cannot be edited")
    return dict(changes)
