"""The name of what runs a block changes with it."""

import os
import sys
from pathlib import Path

from fanfold.pipeline.environments import Environments
from tests.values import BLOCKS


def test_an_interpreter_has_one_name_by_whatever_way_it_is_found(tmp_path: Path) -> None:
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    assert Environments(str(link))(BLOCKS.app) == Environments(sys.executable)(BLOCKS.app) is not None


def test_another_interpreter_has_another_name_and_one_that_is_not_there_none(tmp_path: Path) -> None:
    python = tmp_path / "python"
    assert Environments(str(python))(BLOCKS.app) is None
    python.write_text("one")
    before = Environments(str(python))(BLOCKS.app)
    os.utime(python, (1, 1))
    assert before != Environments(str(python))(BLOCKS.app) is not None
