"""What an account keeps beside its jobs: secrets, API keys, the cache of its programs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import IO
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.responses import Response, StreamingResponse

from fanfold.console.app import Page
from fanfold.console.visit import Visit
from fanfold.errors import BadInput, NotFound, Problem, Refused
from fanfold.jobs.access import Right
from fanfold.jobs.blocks import BlockType
from fanfold.ports.secrets import SecretType

CACHE_BYTES = 1024 * 1024 * 1024
PIECE = 1024 * 1024
YEARS = {"30": 30, "90": 90, "365": 365, "0": 0}
DAY_S = 86_400.0


def secrets(visit: Visit) -> Response:
    """The account's secrets, never their values."""
    return _secrets(visit)


def _secrets(visit: Visit, status: int = 200, error: str = "", problems: object = ()) -> Response:
    listed = visit.services.secrets.listed(visit.caller)
    typed = {name: visit.text(name) for name in ("id", "name", "type", "accessKey")}
    return visit.page(
        "secrets.html", status, listed=listed, types=list(SecretType), typed=typed, error=error, problems=problems
    )


def _type(text: str) -> SecretType:
    try:
        return SecretType(text)
    except ValueError as err:
        raise BadInput("the secret is not right", [Problem("type", "is not known")]) from err


def put_secret(visit: Visit) -> Response:
    """Store a secret, or a new value of one."""
    try:
        visit.services.secrets.put(
            visit.caller,
            visit.text("id").strip(),
            _type(visit.text("type")),
            name=visit.text("name")[:200],
            access_key=visit.text("accessKey").strip(),
            secret_key=visit.text("secretKey").replace("\r\n", "\n"),
            request_id=visit.request_id,
        )
    except Refused as refused:
        return _secrets(visit, 400, refused.message, getattr(refused, "problems", ()))
    return visit.go("/secrets", "saved")


def ask_delete_secret(visit: Visit) -> Response:
    """Ask before a secret is removed."""
    kind, id_ = visit.path("type"), visit.path("id")
    return visit.page(
        "confirm.html",
        title="Delete this secret?",
        text=f"“{id_}” goes with its grants. Programs that run keep what they were given; new tasks that need it fail.",
        action=f"/secrets/{quote(kind, safe='')}/{quote(id_, safe='')}/delete",
        word="Delete the secret",
        back="/secrets",
    )


def delete_secret(visit: Visit) -> Response:
    """Remove a secret."""
    visit.services.secrets.delete(visit.caller, _type(visit.path("type")), visit.path("id"), visit.request_id)
    return visit.go("/secrets", "deleted")


def grant_secret(visit: Visit) -> Response:
    """Let an imported block have a secret."""
    block = visit.services.blocks.get(visit.account, list(BlockType), visit.text("block").strip())
    visit.services.secrets.grant(visit.caller, _type(visit.path("type")), visit.path("id"), block, visit.request_id)
    return visit.go("/secrets", "granted")


def withdraw_secret(visit: Visit) -> Response:
    """Take a grant back."""
    block = visit.services.blocks.get(visit.account, list(BlockType), visit.text("block").strip())
    visit.services.secrets.revoke(visit.caller, _type(visit.path("type")), visit.path("id"), block, visit.request_id)
    return visit.go("/secrets", "withdrawn")


def keys(visit: Visit) -> Response:
    """The caller's API keys."""
    return _keys(visit)


def _keys(visit: Visit, status: int = 200, made: str = "", error: str = "", problems: object = ()) -> Response:
    rights = [right for right in Right if right is not Right.NOTHING and visit.caller.may(right)]
    listed = visit.services.access.keys(visit.caller)
    return visit.page("keys.html", status, keys=listed, rights=rights, made=made, error=error, problems=problems)


def create_key(visit: Visit) -> Response:
    """A new key, whose text is shown this once."""
    days = YEARS.get(visit.text("days"), 365)
    scopes = [Right(text) for text in visit.form.getlist("scope") if isinstance(text, str) and text in set(Right)]
    try:
        name = visit.text("name").strip()[:200] or "from the console"
        _, text = visit.services.access.create_key(
            visit.caller, name, days * DAY_S, scopes, request_id=visit.request_id
        )
    except BadInput as refused:
        return _keys(visit, 400, error=refused.message, problems=refused.problems)
    return _keys(visit, made=text)


def ask_revoke_key(visit: Visit) -> Response:
    """Ask before a key is made void."""
    own = next((key for key in visit.services.access.keys(visit.caller) if key.id == visit.path("key_id")), None)
    if own is None:
        raise NotFound(f"there is no API key '{visit.path('key_id')[:100]}'")
    yours = " It is the key of this session, which ends with it." if own.id == visit.caller.key_id else ""
    return visit.page(
        "confirm.html",
        title="Revoke this key?",
        text=f"“{own.name}” ({own.fingerprint}) and every token from it are void at once.{yours}",
        action=f"/keys/{own.id}/revoke",
        word="Revoke the key",
        back="/keys",
    )


def revoke_key(visit: Visit) -> Response:
    """Make a key void."""
    visit.services.access.revoke_key(visit.caller, visit.path("key_id"), visit.request_id)
    return visit.go("/keys", "revoked")


def _whose(visit: Visit) -> str | None:
    """The account's own cache, or the shared one, which administrators fill."""
    return None if visit.query("shared") else visit.account


def cache(visit: Visit) -> Response:
    """A folder of a cache, or a file of it."""
    path, whose = visit.request.path_params.get("path", ""), _whose(visit)
    found = visit.services.caches.look(whose, path)
    if isinstance(found, list):
        return visit.page("cache.html", entries=found, path=path.strip("/"), shared=whose is None)
    name = path.rpartition("/")[2]
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Length": str(found.size_bytes),
    }
    pieces = _pieces(found.file, found.size_bytes)
    return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)


def _pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    with file:
        while size and (data := file.read(min(PIECE, size))):
            size -= len(data)
            yield data


def _check_shared(visit: Visit) -> None:
    if visit.query("shared") and not visit.caller.may(Right.ADMINISTER):
        raise NotFound("the shared cache is filled by administrators")


def put_cache(visit: Visit) -> Response:
    """Store a file in a cache."""
    _check_shared(visit)
    folder, sent = visit.request.path_params.get("path", "").strip("/"), visit.form.get("file")
    if not isinstance(sent, UploadFile) or not sent.filename:
        raise BadInput("the file is missing", [Problem("file", "choose one")])
    path = f"{folder}/{sent.filename}" if folder else sent.filename
    with visit.services.caches.writing(_whose(visit), path) as file:
        shutil.copyfileobj(sent.file, file, PIECE)
    visit.audited("cache.put", path, shared=bool(visit.query("shared")))
    return visit.go(f"/cache/{folder}" if folder else "/cache", "uploaded")


def remove_cache(visit: Visit) -> Response:
    """Remove a file or folder of a cache."""
    _check_shared(visit)
    path = visit.text("path").strip("/")
    if not path:
        raise BadInput("the path is missing", [Problem("path", "names nothing")])
    visit.services.caches.remove(_whose(visit), path)
    visit.audited("cache.delete", path, shared=bool(visit.query("shared")))
    return visit.go("/cache", "deleted")


_DEVELOP = Right.DEVELOP
PAGES = [
    Page("/secrets", secrets),
    Page("/secrets", put_secret, _DEVELOP, "POST"),
    Page("/secrets/{type}/{id}/delete", ask_delete_secret, _DEVELOP),
    Page("/secrets/{type}/{id}/delete", delete_secret, _DEVELOP, "POST"),
    Page("/secrets/{type}/{id}/grant", grant_secret, _DEVELOP, "POST"),
    Page("/secrets/{type}/{id}/withdraw", withdraw_secret, _DEVELOP, "POST"),
    Page("/keys", keys),
    Page("/keys", create_key, _DEVELOP, "POST"),
    Page("/keys/{key_id}/revoke", ask_revoke_key, _DEVELOP),
    Page("/keys/{key_id}/revoke", revoke_key, _DEVELOP, "POST"),
    Page("/cache", cache),
    Page("/cache", put_cache, _DEVELOP, "POST", CACHE_BYTES),
    Page("/cache/{path:path}", cache),
    Page("/cache/{path:path}", put_cache, _DEVELOP, "POST", CACHE_BYTES),
    Page("/uncache", remove_cache, _DEVELOP, "POST"),
]
