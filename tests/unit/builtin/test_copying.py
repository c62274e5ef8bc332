"""Copies are whole, whether or not the kernel does them."""

import os
from pathlib import Path

import pytest

from fanfold.builtin.copying import copy_range
from fanfold.builtin.planning import InputRefused


@pytest.mark.parametrize("flags", [0, os.O_APPEND], ids=["by-the-kernel", "refused-by-the-kernel"])
def test_a_range_is_copied_behind_what_is_there(tmp_path: Path, flags: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 10_000)
    target = os.open(tmp_path / "target", os.O_WRONLY | os.O_CREAT | flags)
    try:
        os.write(target, b"before")
        copy_range(str(source), 3, 2_000_000, target)
    finally:
        os.close(target)
    assert (tmp_path / "target").read_bytes() == b"before" + source.read_bytes()[3:2_000_003]


def test_a_source_that_became_shorter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"short")
    target = os.open(tmp_path / "target", os.O_WRONLY | os.O_CREAT)
    try:
        with pytest.raises(InputRefused, match="became shorter while it was copied: it ends at byte 5"):
            copy_range(str(tmp_path / "source"), 0, 9, target)
    finally:
        os.close(target)
