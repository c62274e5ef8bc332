"""A block folder, or a single script, as an archive: the same bytes for the same content, on any machine."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanfold.errors import BadInput, BadManifest

MAX_FILES = 10_000
MAX_BYTES = 512 * 1024**2
BESIDE = ("manifest.json", "schema.json", "template.json", "requirements.txt")
LEFT_OUT = frozenset({"__pycache__", ".git", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".DS_Store"})


@dataclass(frozen=True, slots=True)
class Package:
    """A block as it is pushed: tag (`name@version`), type, and the parts of the request."""

    tag: str
    type: str
    manifest: dict[str, Any]
    schema: dict[str, Any] | None
    template: dict[str, Any] | None
    archive: bytes

    def parts(self) -> dict[str, tuple[str, bytes, str]]:
        """The parts of the multipart request: name -> (file name, content, media type)."""
        jsons = {"manifest": self.manifest, "schema": self.schema, "template": self.template}
        found = {
            name: (f"{name}.json", json.dumps(data).encode(), "application/json")
            for name, data in jsons.items()
            if data is not None
        }
        return found | {"archive": ("block.tar.gz", self.archive, "application/gzip")}


def pack(path: Path | str, kind: str = "app") -> Package:
    """Pack a block folder, or a script as a block of its own; raises BadManifest that says what is missing."""
    place = Path(path)
    if place.is_dir():
        return _pack_folder(place)
    if place.is_file():
        if kind not in ("app", "partitioner", "assembler"):
            raise BadInput(f"say what the script '{path}' is: a partitioner or an assembler (type)")
        return _pack_script(place, kind)
    raise BadInput(f"there is no block folder or script '{path}'")


def _pack_folder(folder: Path) -> Package:
    manifest = _json_in(folder / "manifest.json")
    if manifest is None:
        raise BadManifest(f"'{folder}' has no manifest.json; type: fanfold app new NAME")
    schema, template = _json_in(folder / "schema.json"), _json_in(folder / "template.json")
    if not (folder / "app").is_dir():
        raise BadManifest(f"'{folder}' has no folder 'app' with the program")
    files = [(name, folder / name) for name in BESIDE if (folder / name).is_file()]
    files += [(f"app/{file.relative_to(folder / 'app').as_posix()}", file) for file in _files(folder / "app")]
    return _package(manifest, schema, template, files)


def _pack_script(script: Path, kind: str) -> Package:
    letters = (letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in script.stem)
    name = "".join(letters)[:64] or "script"
    manifest = {"name": name, "version": "0.1", "type": kind, "entrypoint": script.name, "platform": "process"}
    return _package(manifest, None, None, [(f"app/{script.name}", script)])


def _package(
    manifest: dict[str, Any],
    schema: dict[str, Any] | None,
    template: dict[str, Any] | None,
    files: list[tuple[str, Path]],
) -> Package:
    tag = f"{manifest.get('name', '')}@{manifest.get('version', '')}"
    return Package(tag, str(manifest.get("type", "app")), manifest, schema, template, _archive(files))


def _archive(files: list[tuple[str, Path]]) -> bytes:
    """A tar.gz with names in order, and neither times, owners nor other modes than 644 and 755."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=6) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, file in sorted(files):
            data = file.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def _files(folder: Path) -> Iterator[Path]:
    """All files of a block's `app` but caches; links out of it and too much are refused."""
    count = size_bytes = 0
    for path in sorted(folder.rglob("*")):
        if path.is_dir() or LEFT_OUT & set(path.relative_to(folder).parts):
            continue
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BadInput(f"'{path}' links to a place outside its block; put the file itself there")
        count, size_bytes = count + 1, size_bytes + path.stat().st_size
        if count > MAX_FILES or size_bytes > MAX_BYTES:
            raise BadInput(f"the block '{folder.parent}' is too large: at most {MAX_FILES} files and {MAX_BYTES} bytes")
        yield path


def _json_in(path: Path) -> dict[str, Any] | None:
    """A JSON object in a file, None where there is no file."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as err:
        raise BadManifest(f"'{path}' is not JSON: {err}") from err
    if not isinstance(data, dict):
        raise BadManifest(f"'{path}' is not a JSON object")
    return data
