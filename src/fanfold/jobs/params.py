"""Params against a block's JSON Schema; every problem is named by its path."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs

from fanfold.errors import BadManifest, Problem
from fanfold.jobs.models import JsonObject

MAX_SCHEMA_BYTES = 256 * 1024
BACKTRACKS = 100_000
"""A pattern that needs more steps on a value counts as not matched."""


def _refuse_remote(uri: str) -> Any:
    raise ValueError(f"a schema may not refer to '{uri}': only references inside it are followed")


def check_schema(schema: object) -> None:
    """Refuse what is not a usable JSON Schema; raises BadManifest."""
    if len(json.dumps(schema)) > MAX_SCHEMA_BYTES:
        raise BadManifest("the schema is too large", [Problem("schema", f"at most {MAX_SCHEMA_BYTES} bytes")])
    _validator(schema)


def params_problems(schema: object, params: JsonObject, path: str) -> list[Problem]:
    """Everything in `params` that breaks `schema`, each named below `path` ("params.app"); empty when all is right."""
    found = []
    for error in _validator(schema).iter_errors(dict(params)):
        place = ".".join([path, *(str(part) for part in error.instance_path)])
        found.append(Problem(place, error.message[:500]))
    return found


def with_defaults(schema: object, params: JsonObject) -> dict[str, Any]:
    """`params` with the top-level defaults of `schema` filled in."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    defaults = {key: value["default"] for key, value in properties.items() if _has_default(value)}
    return {**defaults, **params}


def _has_default(value: object) -> bool:
    return isinstance(value, dict) and "default" in value


def _validator(schema: Any) -> Any:
    try:
        return jsonschema_rs.validator_for(
            schema,
            retriever=_refuse_remote,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKS),
        )
    except (ValueError, TypeError, jsonschema_rs.ValidationError) as err:
        raise BadManifest("the schema is not a JSON Schema", [Problem("schema", str(err)[:500])]) from err
