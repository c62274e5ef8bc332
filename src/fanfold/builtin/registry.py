"""The built-in blocks by role and name; a module is loaded when its block is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fanfold.builtin.planning import Plan

# A partitioner and an assembler may share a name, as `passthrough` does: which one is meant, a job's field says.
BUILTIN: Mapping[str, Mapping[str, str]] = {
    "partitioner": {
        "list-files": "fanfold.builtin.list_files",
        "list-items": "fanfold.builtin.list_items",
        "passthrough": "fanfold.builtin.passthrough_partitioner",
        "replicate": "fanfold.builtin.replicate",
        "split-bytes": "fanfold.builtin.split_bytes",
        "split-csv": "fanfold.builtin.split_csv",
        "split-json": "fanfold.builtin.split_json",
        "split-lines": "fanfold.builtin.split_lines",
        "split-parquet": "fanfold.builtin.split_parquet",
        "split-video": "fanfold.builtin.split_video",
        "tile-image": "fanfold.builtin.tile_image",
    },
    "assembler": {
        "concat": "fanfold.builtin.concat",
        "concat-video": "fanfold.builtin.concat_video",
        "merge-csv": "fanfold.builtin.merge_csv",
        "merge-json": "fanfold.builtin.merge_json",
        "merge-parquet": "fanfold.builtin.merge_parquet",
        "mosaic-image": "fanfold.builtin.mosaic_image",
        "passthrough": "fanfold.builtin.passthrough_assembler",
        "sum-json": "fanfold.builtin.sum_json",
        "tar": "fanfold.builtin.tar",
        "zip": "fanfold.builtin.zip",
    },
}

# They hand input to a parser of another's making, in C: they run behind the same walls as a user's program.
WALLED = frozenset({"concat-video", "merge-parquet", "mosaic-image", "split-parquet", "split-video", "tile-image"})


@dataclass(frozen=True, slots=True)
class BuiltinBlock:
    """One built-in block; `path` is the program's file, `plan` its planner where it is a splitter with one, and
    `reads_text` says whether that looks into the text of its input."""

    name: str
    version: str
    type: str
    manifest: Mapping[str, Any]
    schema: Mapping[str, Any]
    path: str
    plan: Plan | None
    reads_text: bool


def names(role: str) -> tuple[str, ...]:
    """The built-in blocks of a role (`partitioner` or `assembler`; of apps there are none)."""
    return tuple(BUILTIN.get(role, ()))


@cache
def load(role: str, name: str) -> BuiltinBlock:
    """The built-in block of that role and name; raises KeyError where there is none."""
    module = import_module(BUILTIN[role][name])
    return BuiltinBlock(
        name=name,
        version=module.MANIFEST["version"],
        type=role,
        manifest=module.MANIFEST,
        schema=module.SCHEMA,
        path=str(module.__file__),
        plan=getattr(module, "plan", None),
        reads_text=getattr(module, "READS_TEXT", False),
    )
