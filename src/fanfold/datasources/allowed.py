"""Which folders of this machine a data source may use, and the paths that its params name, checked against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fanfold.errors import BadInput, Problem
from fanfold.jobs.models import DataRef

NAMES = ("path", "paths", "@type")


class AllowedFolders:
    """Folders in which everything is allowed; None instead of them: the whole machine, as for its own user."""

    def __init__(self, folders: Sequence[Path] | None) -> None:
        self._folders = None if folders is None else tuple(folder.resolve() for folder in folders)

    def paths(self, ref: DataRef, place: str) -> list[Path]:
        """The paths that `path` or `paths` name, each allowed; BadInput naming every problem. `place` is where the
        params stand, such as "dataSource"."""
        several, one = ref.params.get("paths"), ref.params.get("path")
        wanted = several if isinstance(several, list) else [one] if one else [several] if several else []
        problems = [
            Problem(f"{place}.params.{name}", f"is unknown; '{ref.descriptor}' knows 'path'")
            for name in ref.params
            if name not in NAMES
        ]
        problems += [problem for path in wanted for problem in self._problems(path, f"{place}.params.path")]
        if problems:
            what = "input" if place == "dataSource" else "output folder"
            raise BadInput(f"the {what} cannot be used", problems)
        return [Path(path) for path in wanted]

    def check(self, path: Path) -> None:
        """Refuse a path that leads out of the allowed folders, by links too."""
        if not self._holds(path):
            raise BadInput(f"'{path}' leads out of the folders that this server allows (setting local_folders)")

    def _problems(self, path: Any, field: str) -> list[Problem]:
        if not isinstance(path, str):
            return [Problem(field, f"expected the path of a file or folder, found {path!r:.100}")]
        if not self._holds(Path(path)):
            return [Problem(field, "lies in no folder that this server allows (setting local_folders)")]
        return []

    def _holds(self, path: Path) -> bool:
        if self._folders is None:
            return True
        try:
            place = path.resolve()
        except (OSError, RuntimeError, ValueError):  # too long a name, links in a circle, a NUL
            return False
        return path.is_absolute() and any(place.is_relative_to(folder) for folder in self._folders)
