"""Programs of blocks, pinned: kept in the job storage under the hash of their content.

What a job runs is what is kept there, so a script may be edited, and a block pushed again, while a job uses it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanfold.effects import Effects
from fanfold.errors import BadInput, BadManifest, NotFound, Problem, Refused
from fanfold.jobs.blocks import BlockType, Manifest, read_manifest, with_requirements
from fanfold.jobs.models import PinnedBlock
from fanfold.jobs.params import check_schema
from fanfold.jobs.requirements import FILE as REQUIREMENTS
from fanfold.services.block_files import BlockFiles
from fanfold.services.siblings import imported_beside

MAX_FILES = 10_000
MAX_BYTES = 512 * 1024 * 1024
MAX_REQUIREMENTS_BYTES = 256 * 1024
HASHED_AT_ONCE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReadBlock:
    """A block that can be run: its manifest, the schema of its params, and its pinned form."""

    manifest: Manifest
    schema: dict[str, Any]
    pinned: PinnedBlock


@dataclass(frozen=True, slots=True)
class _Found:
    """A block as it lies on disk: `files` below `base` are its program."""

    manifest: Manifest
    data: dict[str, Any]
    schema: dict[str, Any]
    base: Path
    files: list[Path]


class Packages:
    """Takes block folders and single scripts into the storage."""

    def __init__(self, files: BlockFiles, effects: Effects) -> None:
        self._files = files
        self._effects = effects

    def take(self, path: Path, wanted: BlockType) -> ReadBlock:
        """Pin a block folder or a script; raises BadManifest or NotFound with the mend."""
        found = _found(path, wanted)
        sha256 = _content_hash(found.manifest, found.base, found.files)
        key = f"packages/{sha256}"
        if not self._files.keep(key):
            self._copy(found.base, found.files, key)
        manifest = found.manifest
        block_id = f"local/{manifest.name}@{manifest.version}"
        pinned = PinnedBlock(block_id, manifest.name, manifest.version, 1, sha256, key, False, found.data)
        return ReadBlock(manifest, found.schema, pinned)

    def adopt(self, folder: Path, manifest: Manifest) -> str:
        """Take a folder of the storage's own disk, with a program and nothing but files and folders in it, as it is.

        Returns its key; the folder is moved, or left where the same program is there already.
        """
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        key = f"packages/{_content_hash(manifest, folder, files)}"
        if not self._files.keep(key):
            self._bring_to_disk(folder, files)
            self._files.put(folder, key)
        return key

    def _bring_to_disk(self, folder: Path, files: list[Path]) -> None:
        for file in files:
            with open(file, "rb") as opened:
                self._effects.fsync(opened.fileno(), file.name)
        for inner in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            self._effects.fsync_folder(inner)

    def _copy(self, base: Path, files: list[Path], key: str) -> None:
        target = self._files.path(key)
        part = target.with_name(f".{target.name}.part")
        self._effects.remove_tree(part)
        self._effects.make_folder(part)
        for file in files:
            place = part / file.relative_to(base)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(file.read_bytes())
            os.chmod(place, 0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        self._files.put(part, key)


def content_sha256(path: Path, wanted: BlockType) -> str:
    """The hash that `take` would pin a block folder or script under now; "" where it could not be taken."""
    try:
        found = _found(path, wanted)
        return _content_hash(found.manifest, found.base, found.files)
    except Refused:
        return ""


def _found(path: Path, wanted: BlockType) -> _Found:
    if path.is_dir():
        return _in_folder(path, wanted)
    if path.is_file():
        return _of_script(path, wanted)
    raise NotFound(f"there is no block folder or script '{path}'; check the spelling, or name a built-in block")


def _in_folder(path: Path, wanted: BlockType) -> _Found:
    data = _json_file(path / "manifest.json", f"'{path}' has no manifest.json; type: fanfold app new NAME")
    data = with_requirements(data, requirements_beside(path))
    manifest = read_manifest(data)
    if manifest.type is not wanted:
        expected = f'expected "{wanted.value}", found "{manifest.type.value}"'
        raise BadManifest(f"'{path}' cannot be used here", [Problem("type", expected)])
    if not (path / "app").is_dir():
        raise BadManifest(f"'{path}' has no folder 'app'; put the program into it")
    if not (path / "app" / manifest.entrypoint).is_file():
        raise BadManifest(f"'{path}'", [Problem("entrypoint", f"there is no file 'app/{manifest.entrypoint}'")])
    schema = _json_file(path / "schema.json", "") if (path / "schema.json").is_file() else {}
    check_schema(schema)
    return _Found(manifest, dict(data), schema, path / "app", sorted(_files(path / "app")))


def requirements_beside(block: Path) -> str:
    """The text of a block folder's requirements file; "" where it has none. Raises BadManifest."""
    file = block / REQUIREMENTS
    if not file.is_file():
        return ""
    if file.stat().st_size > MAX_REQUIREMENTS_BYTES:
        raise BadManifest(f"'{REQUIREMENTS}' is larger than {MAX_REQUIREMENTS_BYTES} bytes")
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as err:
        raise BadManifest(f"'{REQUIREMENTS}' is not UTF-8: {err}") from err


def _of_script(path: Path, wanted: BlockType) -> _Found:
    """A single file, with the modules beside it that it imports, becomes a block with nothing but a name."""
    name = "".join(letter if re.fullmatch("[A-Za-z0-9_-]", letter) else "-" for letter in path.stem)[:64] or "script"
    data = {"name": name, "version": "0.1", "type": wanted.value, "entrypoint": path.name, "platform": "process"}
    return _Found(read_manifest(data), data, {}, path.parent, sorted({path, *imported_beside(path)}))


def _json_file(path: Path, missing: str) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise BadManifest(missing) from err
    except (ValueError, RecursionError) as err:
        raise BadManifest(f"'{path}' is not JSON: {err}") from err
    if not isinstance(data, dict):
        raise BadManifest(f"'{path}' is not a JSON object")
    return data


def _files(folder: Path) -> Iterator[Path]:
    """All files of a block's `app` folder but caches; links out of it and too much are refused."""
    count = size_bytes = 0
    for path in sorted(folder.rglob("*")):
        if "__pycache__" in path.parts or (path.is_dir() and not path.is_symlink()):
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"'{path}' links to a place outside its block; put the file itself there")
        if not path.is_file():
            raise BadInput(f"'{path}' is neither a file nor a folder; take it out of the block")
        count, size_bytes = count + 1, size_bytes + path.stat().st_size
        if count > MAX_FILES or size_bytes > MAX_BYTES:
            raise BadInput(f"the block '{folder.parent}' is too large: at most {MAX_FILES} files and {MAX_BYTES} bytes")
        yield path


def _content_hash(manifest: Manifest, base: Path, files: list[Path]) -> str:
    """SHA-256 in hex over what a run can notice: the manifest, and each file's path, right to be run, and bytes."""
    digest = hashlib.sha256(repr(manifest).encode())
    for file in files:
        info = file.stat()
        digest.update(f"{file.relative_to(base)}\0{info.st_mode & stat.S_IXUSR}\0{info.st_size}\0".encode())
        with open(file, "rb") as opened:
            while data := opened.read(HASHED_AT_ONCE):
                digest.update(data)
    return digest.hexdigest()
