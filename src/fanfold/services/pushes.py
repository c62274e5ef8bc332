"""What a person pushes, taken into the job storage: unpacked, checked with every problem named at once, kept by hash.

The archive is kept byte for byte as it came, or made anew where a token was taken out of it; see `services.block_files`
for where. A push under way has a folder of its own in `pushes/`, gone when it ends.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from fanfold.archives import suffix_of, unpack
from fanfold.effects import Effects
from fanfold.errors import BadInput, BadManifest, Problem
from fanfold.jobs.blocks import BlockType, Manifest, read_manifest, snake, with_requirements
from fanfold.jobs.json_text import read_json
from fanfold.jobs.params import check_schema
from fanfold.jobs.templates import ReadTemplate, read_template
from fanfold.services.block_files import BlockFiles
from fanfold.services.packages import Packages, requirements_beside
from fanfold.services.registry_tokens import RegistryTokens
from fanfold.services.repacking import pack

T = TypeVar("T")

COPIED_AT_ONCE = 1024 * 1024
MAX_JSON_BYTES = 1024 * 1024
MAX_TOKEN = 16 * 1024
_JUNK = ("__MACOSX", ".")


@dataclass(frozen=True, slots=True)
class Beside:
    """What was sent beside an archive, as parsed JSON; for what is None the archive is asked."""

    manifest: object = None
    schema: object = None
    template: object = None


@dataclass(frozen=True, slots=True)
class TakenBlock:
    """A pushed block, checked and kept. `data` is its manifest without credentials, `hash` as `ports.blocks` has it."""

    manifest: Manifest
    data: dict[str, Any]
    schema: dict[str, Any]
    template: ReadTemplate | None
    hash: str
    archive: str
    package: str


class Pushes:
    """Takes pushed blocks into the storage."""

    def __init__(self, files: BlockFiles, effects: Effects, tokens: RegistryTokens) -> None:
        self._files = files
        self._tokens = tokens
        self._effects = effects
        self._packages = Packages(files, effects)

    def take(self, account_id: str, types: Sequence[BlockType], beside: Beside, archive: IO[bytes]) -> TakenBlock:
        """Check and keep a block; raises BadManifest that names every problem of all its parts."""
        with self._under_way() as folder:
            digest = self._receive(archive, folder / "archive")
            checked = _checked(folder, types, beside)
            suffix = suffix_of(archive)
            self._tokens.keep(account_id, checked.manifest, checked.token)
            if checked.token_inside:
                digest = self._packed_anew(checked, folder, suffix)
            key = f"archives/{digest.hex()}{suffix}"
            package = self._packages.adopt(checked.program, checked.manifest)
            self._files.put(folder / "archive", key)
        return TakenBlock(
            manifest=checked.manifest,
            data=checked.data,
            schema=checked.schema,
            template=checked.template,
            hash=base64.b64encode(digest).decode(),
            archive=key,
            package=package,
        )

    def kept(self, archive: str, package: str) -> bool:
        """Make a block's files new, so that a job can be told of them; False where they are gone."""
        return self._files.keep(archive) and self._files.keep(package)

    def archive(self, key: str) -> Path:
        """A kept archive."""
        return self._files.fetched(key)

    def sweep(self) -> None:
        """Remove what pushes left behind that were cut off; for the start of a server, before it takes any."""
        self._effects.remove_tree(self._files.path("pushes"))

    @contextlib.contextmanager
    def _under_way(self) -> Iterator[Path]:
        folder = self._files.path("pushes") / uuid.uuid4().hex
        self._effects.make_folder(folder)
        try:
            yield folder
        finally:
            self._effects.remove_tree(folder)

    def _packed_anew(self, checked: _Checked, folder: Path, suffix: str) -> bytes:
        """The archive again, its manifest without the token; its SHA-256."""
        inside = without_token(_read_file(checked.manifest_file))
        self._effects.write_file(checked.manifest_file, json.dumps(inside, indent=2, ensure_ascii=False).encode())
        with self._effects.new_file(folder / "archive") as file:
            pack(folder / "block", file, suffix)
        with open(folder / "archive", "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    def _receive(self, archive: IO[bytes], target: Path) -> bytes:
        """Copy an archive to disk; its SHA-256."""
        archive.seek(0)
        digest = hashlib.sha256()
        with self._effects.new_file(target) as file:
            while data := archive.read(COPIED_AT_ONCE):
                digest.update(data)
                file.write(data)
        return digest.digest()


# ---- checks


@dataclass(frozen=True, slots=True)
class _Checked:
    manifest: Manifest
    data: dict[str, Any]
    schema: dict[str, Any]
    template: ReadTemplate | None
    program: Path
    manifest_file: Path
    token: str = field(repr=False)
    token_inside: bool


def _checked(folder: Path, types: Sequence[BlockType], beside: Beside) -> _Checked:
    """Unpack and read a pushed block; all problems of its archive, manifest, schema and template in one BadManifest."""
    problems = _Problems()
    problems.of("", lambda: unpack(folder / "archive", folder / "block"))
    block = None if problems.found else _block_folder(folder / "block")
    in_archive = _json_in(block, "manifest.json", problems)
    data = in_archive if beside.manifest is None else beside.manifest
    manifest = None
    if data is None and not problems.found:
        said = "is missing: send it as the part 'manifest', or put a manifest.json into the archive"
        problems.add("manifest", said)
    elif data is not None:
        data = with_requirements(data, problems.of("", partial(requirements_beside, block)) or "" if block else "")
        manifest = _manifest(data, in_archive, types, problems)
    program = _program(block, manifest, problems) if block and manifest else None
    schema = _schema(_either(beside.schema, block, "schema.json", problems), problems)
    template = _template(_either(beside.template, block, "template.json", problems), manifest, problems)
    token = _token_of(data) or _token_of(in_archive) or ""
    if problems.found or manifest is None or program is None or block is None or not isinstance(token, str):
        raise BadManifest("the block cannot be taken", problems.found)
    inside, file = bool(_token_of(in_archive)), block / "manifest.json"
    return _Checked(manifest, without_token(data), schema, template, program, file, token, inside)


class _Problems:
    """Problems as they are found, so that one does not hide the next."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, place: str, reason: str) -> None:
        self.found.append(Problem(place, reason))

    def of(self, prefix: str, call: Callable[[], T]) -> T | None:
        """What a call returns; None where it raises BadInput, whose problems are kept, each under a prefix."""
        try:
            return call()
        except BadInput as err:
            told = err.problems or (Problem("", str(err)),)
            places = [".".join(part for part in (prefix, problem.field) if part) for problem in told]
            self.found += [Problem(place, problem.reason) for place, problem in zip(places, told, strict=True)]
            return None


def _block_folder(root: Path) -> Path:
    """The block's folder: the archive itself, or the only folder in it, as archiving programs often make it."""
    if (root / "app").is_dir() or (root / "manifest.json").is_file():
        return root
    inside = [path for path in root.iterdir() if not path.name.startswith(_JUNK)]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else root


def _json_in(block: Path | None, name: str, problems: _Problems) -> Any:
    """A JSON file of the archive; None where there is none, or where it cannot be read, which is a problem."""
    path = None if block is None else block / name
    if path is None or not path.is_file():
        return None
    return problems.of(name.removesuffix(".json"), lambda: _read_file(path))


def _read_file(path: Path) -> Any:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise BadInput(f"'{path.name}' is larger than {MAX_JSON_BYTES} bytes")
    return read_json(path.read_bytes(), f"'{path.name}'")


def _either(sent: object, block: Path | None, name: str, problems: _Problems) -> Any:
    return sent if sent is not None else _json_in(block, name, problems)


def _manifest(data: object, in_archive: object, types: Sequence[BlockType], problems: _Problems) -> Manifest | None:
    for token in (_token_of(data), _token_of(in_archive)):
        if token and not (isinstance(token, str) and len(token) <= MAX_TOKEN):
            problems.add("platform_config.token", f"expected a text of at most {MAX_TOKEN} characters")
    manifest = problems.of("", lambda: read_manifest(data))
    if manifest is not None and manifest.type not in types:
        expected = " or ".join(f'"{kind.value}"' for kind in types)
        problems.add("type", f'expected {expected} at this path, found "{manifest.type.value}"')
    return manifest


def _platform_key(data: object) -> str:
    """How a manifest spells its `platform_config`; "" where it has none."""
    named = {snake(str(key)): str(key) for key in data} if isinstance(data, Mapping) else {}
    return named.get("platform_config", "")


def _token_of(data: object) -> object:
    """The registry token that a manifest carries, if any."""
    platform = data.get(_platform_key(data)) if isinstance(data, Mapping) else None
    return platform.get("token") if isinstance(platform, Mapping) else None


def without_token(data: Any) -> dict[str, Any]:
    """A manifest as it is kept: without the key that a token would stand in."""
    key = _platform_key(data)
    if not key or not isinstance(data[key], Mapping):
        return dict(data)
    return {**data, key: {name: value for name, value in data[key].items() if name != "token"}}


def _program(block: Path, manifest: Manifest, problems: _Problems) -> Path | None:
    """The folder that the entry point is relative to: the block's `app`, or the block where it is not there."""
    for folder in (block / "app", block):
        if (folder / manifest.entrypoint).is_file():
            return folder
    problems.add("entrypoint", f"there is no file 'app/{manifest.entrypoint}' in the archive")
    return None


def _schema(data: object, problems: _Problems) -> dict[str, Any]:
    if isinstance(data, dict):
        problems.of("", lambda: check_schema(data))
        return data
    if data is not None:
        problems.add("schema", f"expected a JSON object, found {data!r:.100}")
    return {}


def _template(data: object, manifest: Manifest | None, problems: _Problems) -> ReadTemplate | None:
    if data is None:
        return None
    if manifest is not None and manifest.type is not BlockType.APP:
        problems.add("template", f"comes with apps only, not with a block of type {manifest.type.value}")
        return None
    defaults = {"id": manifest.name, "app": f"{manifest.name}@{manifest.version}"} if manifest else {}
    return problems.of("template", lambda: read_template(data, defaults))
