"""The API's description of itself: OpenAPI 3.1, whole and by group, and pages to read it that need no network."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from fanfold.api.auth import Needs
from fanfold.api.body import BodyOf
from fanfold.wire.base import Problem, Shape

GROUPS = ("auth", "customer", "dev", "wallet")
_REFERENCE = "#/components/schemas/{model}"
_PROBLEMS = {
    "400": "Malformed, or not allowed in this state.",
    "401": "No valid token.",
    "403": "The role or key does not allow it.",
    "404": "There is no such thing, or it is somebody else's.",
    "409": "It exists already, or is in use.",
    "413": "The request is too large.",
    "429": "Too many requests.",
    "503": "A part of the server does not answer now.",
    "507": "A disk of the server is full.",
}


def operation_id(route: APIRoute) -> str:
    """What generated clients call a route: its group and its name; no two are alike."""
    return "_".join([*map(str, route.tags), route.name])


def describe(app: FastAPI) -> None:
    """Add the description's own routes."""

    def whole() -> dict[str, Any]:
        return described(app)

    app.add_api_route("/openapi.json", whole, include_in_schema=False)
    app.add_api_route("/docs", lambda: _page(whole(), "Fanfold API"), include_in_schema=False)
    for group in (*GROUPS, "computing"):
        _describe_group(app, group)


def _describe_group(app: FastAPI, group: str) -> None:
    def part() -> dict[str, Any]:
        return _only(described(app), "customer" if group == "computing" else group)

    app.add_api_route(f"/v1/{group}/docs/swagger.json", part, include_in_schema=False)
    app.add_api_route(f"/v1/{group}/docs/", lambda: _page(part(), f"Fanfold API: {group}"), include_in_schema=False)


def described(app: FastAPI) -> dict[str, Any]:
    """What /openapi.json answers, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title="Fanfold", version=app.version, openapi_version="3.1.0", routes=app.routes)
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        components.pop("HTTPValidationError", None)
        components.pop("ValidationError", None)
        _add_shape(components, Problem)
        for route in _api_routes(app):
            _complete(schema, components, route)
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = schema
    return app.openapi_schema


def _api_routes(app: FastAPI) -> Iterator[RouteContext]:
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema:
            yield route


def _complete(schema: dict[str, Any], components: dict[str, Any], route: RouteContext) -> None:
    """What FastAPI cannot know of a route: bodies read by ourselves, rights, errors."""
    for method in route.methods or ():
        operation = schema["paths"][route.path_format][method.lower()]
        operation["responses"].pop("422", None)
        calls = [dependency.call for dependency in route.dependant.dependencies]
        for call in calls:
            if isinstance(call, BodyOf):
                name = _add_shape(components, call.shape)
                content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
                operation["requestBody"] = {"content": content, "required": False}
            if isinstance(call, Needs):
                operation["security"] = [{"token": []}]
        for status, said in _PROBLEMS.items():
            content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
            operation["responses"].setdefault(status, {"description": said, "content": content})


def _add_shape(components: dict[str, Any], shape: type[Shape]) -> str:
    described = shape.model_json_schema(by_alias=True, ref_template=_REFERENCE)
    components.update(described.pop("$defs", {}))
    components[shape.__name__] = described
    return shape.__name__


def _only(schema: dict[str, Any], group: str) -> dict[str, Any]:
    paths = {path: item for path, item in schema["paths"].items() if path.startswith(f"/v1/{group}/")}
    return schema | {"paths": paths}


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "code,pre{font-family:ui-monospace,monospace}pre{overflow:auto;padding:.5rem;border:1px solid #8884}"
    "summary{cursor:pointer;padding:.3rem 0}.m{display:inline-block;min-width:4.5rem;font-weight:700}"
)


def _page(schema: dict[str, Any], title: str) -> Response:
    """The description as plain HTML: no script, nothing from elsewhere."""
    parts = [f"<h1>{html.escape(title)}</h1><p>Version {html.escape(schema['info']['version'])}</p>"]
    for path, item in schema["paths"].items():
        parts += [_shown(path, method, operation) for method, operation in item.items()]
    parts.append("<h2>Schemas</h2>")
    parts += [_folded(name, name, shape) for name, shape in sorted(schema["components"]["schemas"].items())]
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    page = f"{head}<style>{_STYLE}</style><body>{''.join(parts)}</body></html>"
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


def _shown(path: str, method: str, operation: dict[str, Any]) -> str:
    said = html.escape(operation.get("description", operation.get("summary", "")))
    head = f'<span class="m">{method.upper()}</span> <code>{html.escape(path)}</code>'
    shown: dict[str, Any] = {key: operation[key] for key in ("parameters", "requestBody") if key in operation}
    shown["answer"] = operation["responses"].get("200", {}).get("content", {})
    return f"<details><summary>{head}</summary><p>{said}</p>{_pre(shown)}</details>"


def _folded(identity: str, name: str, value: Any) -> str:
    head = f"<summary><code>{html.escape(name)}</code></summary>"
    return f'<details id="{html.escape(identity)}">{head}{_pre(value)}</details>'


def _pre(value: Any) -> str:
    return f"<pre>{html.escape(json.dumps(value, indent=2))}</pre>"
