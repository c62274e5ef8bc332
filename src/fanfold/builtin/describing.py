"""How built-in blocks describe themselves: their manifest, and the JSON Schema of their params."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

VERSION = "1.0"
DEFAULT_MAX_BYTES = 16 * 1024 * 1024
DRAFT = "https://json-schema.org/draft/2020-12/schema"


def manifest(name: str, role: str, description: str) -> dict[str, Any]:
    """The manifest of a built-in block: any core will do, and equal inputs give equal results."""
    return {
        "name": name,
        "version": VERSION,
        "type": role,
        "description": description,
        "platform": "process",
        "deterministic": True,
        "device_requirements": {"min_cpu": 1, "min_memory": 1},
    }


def schema(
    properties: Mapping[str, Any], *, exclusive: Sequence[str] = (), required: Sequence[str] = ()
) -> dict[str, Any]:
    """The schema of an object with these properties; at most one of the `exclusive` ones may be given."""
    described: dict[str, Any] = {
        "$schema": DRAFT,
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }
    if required:
        described["required"] = list(required)
    if exclusive:
        described["dependentSchemas"] = {
            name: {"properties": {other: False for other in exclusive if other != name}} for name in exclusive
        }
    return described


def sizes(record: str = "", meaning: str = "") -> dict[str, Any]:
    """The ways to say how large chunks are: by `record` (where the format has any), by bytes, by number."""
    counted = {record: whole(1, meaning)} if record else {}
    return counted | {
        "max_bytes": whole(
            1, f"The most bytes a chunk holds. {DEFAULT_MAX_BYTES} (16 MiB) where no size is given at all."
        ),
        "num_chunks": whole(
            1,
            "How many chunks of about equal size to make of all files together, at least one of each non-empty file.",
        ),
    }


def whole(minimum: int, description: str, default: int | None = None) -> dict[str, Any]:
    """A whole number of at least `minimum`."""
    described: dict[str, Any] = {"type": "integer", "minimum": minimum, "description": description}
    return described if default is None else described | {"default": default}


def flag(description: str, *, default: bool) -> dict[str, Any]:
    """A yes or no."""
    return {"type": "boolean", "description": description, "default": default}


def choice(options: Sequence[str], description: str) -> dict[str, Any]:
    """One of a few words; the first is the default."""
    return {"type": "string", "enum": list(options), "description": description, "default": options[0]}


def output_file(otherwise: str, *, shared: bool = True) -> dict[str, Any]:
    """The name of the one file that an assembler writes; by default the name that all results share, if `shared`."""
    default = f"the name that all results share (`out.txt`), or `{otherwise}` where they differ"
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": 255,
        "pattern": r"^(?!\.{1,2}$)[^/\x00]+$",
        "description": f"Name of the output file. Left out: {default if shared else f'`{otherwise}`'}.",
    }
