"""Apps and engines: their versions, what they ask for, who may use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, Response

from fanfold.console.app import Page
from fanfold.console.pages.usage import told
from fanfold.console.schema_forms import fields_of
from fanfold.console.visit import USUAL_A_PAGE, Visit
from fanfold.errors import BadInput, Problem, Refused
from fanfold.jobs.access import Right
from fanfold.jobs.blocks import BlockType
from fanfold.jobs.models import Role
from fanfold.ports.blocks import BlockFilter, BlockRecord
from fanfold.services.pushes import Beside

GROUPS: dict[str, tuple[BlockType, ...]] = {
    "apps": (BlockType.APP,),
    "engines": (BlockType.PARTITIONER, BlockType.ASSEMBLER),
}
WORDS = {"apps": "app", "engines": "engine"}
DONE = {"activate": "activated", "deactivate": "deactivated", "publish": "published", "unpublish": "unpublished"}
PUSH_BYTES = 100 * 1024 * 1024


def _group(visit: Visit) -> str:
    return visit.here.strip("/").partition("/")[0]


def _types(visit: Visit) -> tuple[BlockType, ...]:
    group = _group(visit)
    kind = visit.query("type") or visit.text("type")
    return tuple(one for one in GROUPS[group] if kind in ("", one.value)) or GROUPS[group]


def blocks(visit: Visit) -> Response:
    """A page of the account's own and imported ones, or of everybody's public ones with those that are built in."""
    types, public = _types(visit), visit.query("show") == "public"
    wanted = BlockFilter(visit.account, types, public, USUAL_A_PAGE, visit.offset())
    found, total = visit.services.blocks.listed(wanted)
    return visit.page("blocks.html", found=found, total=total, public=public, **_shown(visit), error="", problems=())


def _shown(visit: Visit) -> dict[str, Any]:
    group = _group(visit)
    return {"group": group, "word": WORDS[group], "offset": visit.offset(), "limit": USUAL_A_PAGE}


def _found(visit: Visit) -> BlockRecord:
    return visit.services.blocks.get(visit.account, _types(visit), visit.path("tag"))


def block(visit: Visit) -> Response:
    """One version of a block."""
    one = _found(visit)
    own, _ = visit.services.blocks.listed(BlockFilter(visit.account, (one.type,), limit=500))
    versions = [other for other in own if other.name == one.name]
    fields = fields_of(one.schema, "params", {})
    used = told(visit, (Role(one.type.value), one.tag))
    return visit.page("block.html", block=one, versions=versions, fields=fields, **_shown(visit), **used)


def push(visit: Visit) -> Response:
    """Take a block's archive, zip or tar.gz."""
    types, archive = _types(visit), visit.form.get("archive")
    try:
        if not isinstance(archive, UploadFile) or not archive.filename:
            raise BadInput("the push is not right", [Problem("archive", "is missing: choose a zip or tar.gz")])
        done = visit.services.blocks.push(visit.account, types, Beside(), archive.file)
    except Refused as error:
        wanted = BlockFilter(visit.account, types, False, USUAL_A_PAGE, 0)
        found, total = visit.services.blocks.listed(wanted)
        told = {"error": error.said, "problems": getattr(error, "problems", ())}
        return visit.page("blocks.html", 400, found=found, total=total, public=False, **_shown(visit), **told)
    group = _group(visit)
    visit.audited(f"{WORDS[group]}.push", done.block.tag, revision=done.block.revision)
    return visit.go(f"/{group}/{done.block.tag}", "pushed")


def _change(verb: str) -> Callable[[Visit], Response]:
    def change(visit: Visit) -> Response:
        one = getattr(visit.services.blocks, verb)(visit.account, _types(visit), visit.path("tag"))
        group = _group(visit)
        visit.audited(f"{WORDS[group]}.{verb}", one.tag)
        return visit.go(f"/{group}/{one.tag}", DONE[verb])

    change.__name__ = f"block_{verb}"
    return change


def import_block(visit: Visit) -> Response:
    """Pin another account's public block as it is now."""
    group = _group(visit)
    one = visit.services.blocks.import_(visit.account, _types(visit), visit.path("tag"), visit.text("owner"))
    visit.audited(f"{WORDS[group]}.import", one.tag, owner=one.account_id)
    return visit.go(f"/{group}/{one.tag}", "imported")


def ask_delete_block(visit: Visit) -> Response:
    """Ask before a block is removed."""
    one, group = _found(visit), _group(visit)
    return visit.page(
        "confirm.html",
        title=f"Delete {one.tag}?",
        text=f"New jobs cannot use {one.tag} any more, and its archive goes. Jobs that have ended keep their results.",
        action=f"/{group}/{one.tag}/delete?type={one.type.value}",
        word="Delete it",
        back=f"/{group}/{one.tag}?type={one.type.value}",
    )


def delete_block(visit: Visit) -> Response:
    """Remove a block, or an import."""
    group = _group(visit)
    one = visit.services.blocks.delete(visit.account, _types(visit), visit.path("tag"))
    visit.audited(f"{WORDS[group]}.delete", one.tag)
    return visit.go(f"/{group}", "deleted")


def download_block(visit: Visit) -> Response:
    """The archive as it was pushed."""
    one, path = visit.services.blocks.archive(visit.account, _types(visit), visit.path("tag"))
    ending = ".zip" if path.suffix == ".zip" else ".tar.gz"
    kind = "application/zip" if ending == ".zip" else "application/gzip"
    return FileResponse(path, media_type=kind, filename=f"{one.name}-{one.version}{ending}")


_DEVELOP = Right.DEVELOP


def _pages(group: str) -> list[Page]:
    """The pages of one group."""
    base = f"/{group}"
    return [
        Page(base, blocks),
        Page(base, push, _DEVELOP, "POST", PUSH_BYTES),
        Page(f"{base}/{{tag}}", block),
        *(Page(f"{base}/{{tag}}/{verb}", _change(verb), _DEVELOP, "POST") for verb in DONE),
        Page(f"{base}/{{tag}}/import", import_block, _DEVELOP, "POST"),
        Page(f"{base}/{{tag}}/delete", ask_delete_block, _DEVELOP),
        Page(f"{base}/{{tag}}/delete", delete_block, _DEVELOP, "POST"),
        Page(f"{base}/{{tag}}/download", download_block),
    ]


PAGES = [page for group in GROUPS for page in _pages(group)]
