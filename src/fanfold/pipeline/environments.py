"""What runs a block's programs, named so that the name changes whenever that does: a part of the key that results are
kept under."""

from __future__ import annotations

import os
import shutil

from fanfold.jobs.models import PinnedBlock


class Environments:
    """Names the environment of each block. All run on the Python of the setting."""

    def __init__(self, python: str) -> None:
        self._python = python

    def __call__(self, block: PinnedBlock) -> str | None:
        """The interpreter's own file, its size and time; None where it is not found. What is installed for it beside
        its own library is not part of the name."""
        try:
            path = os.path.realpath(shutil.which(self._python) or self._python)
            info = os.stat(path)
        except OSError:
            return None
        return f"{path} {info.st_size} {info.st_mtime_ns}"
