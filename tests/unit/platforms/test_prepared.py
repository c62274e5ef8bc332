"""Zygotes as their runner has them: what is left of one that could not be started."""

import os
from pathlib import Path
from typing import Any

import pytest

from fanfold.effects import Effects
from fanfold.platforms.cgroups import Group, Tree
from fanfold.platforms.prepared import Preparation, Prepared


class NoProcesses(Effects):
    """A machine that has as many processes as it may."""

    def spawn(self, *_: Any, **__: Any) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")


def test_a_start_that_fails_leaves_no_descriptor_and_no_group(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    group = Group(1, 1, 1.0, Tree(2, {"a controller without a limit": tmp_path}))
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(BlockingIOError):
        Prepared(Preparation(["true"], {}, {"own_pids": False}, group), NoProcesses())
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) == before
