"""A fetched archive as a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fanfold.archives import unpack
from fanfold.effects import Effects
from fanfold.errors import Conflict


def unpacked(archive: bytes, folder: Path) -> Path:
    """Unpack into a new folder, which appears whole; Conflict where there is one already."""
    if folder.exists():
        raise Conflict(f"'{folder}' exists already; name another place with --in")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fanfold-", dir=folder.parent) as part:
        file = Path(part, "archive")
        file.write_bytes(archive)
        unpack(file, Path(part, "block"))
        Effects().rename(_block_in(Path(part, "block")), folder)
    return folder


def _block_in(folder: Path) -> Path:
    """The block's folder: the archive itself, or the only folder in it."""
    inside = list(folder.iterdir())
    whole = (folder / "app").is_dir() or (folder / "manifest.json").is_file() or len(inside) != 1
    return folder if whole or not inside[0].is_dir() else inside[0]
