"""Under the low watermark no new work is taken, until the high one is free again."""

from pathlib import Path

import pytest

from fanfold.errors import OutOfSpace
from fanfold.services.disk_space import DiskSpace

MIB = 1024**2
LOW, HIGH = 10 * MIB, 20 * MIB


class Disk:
    """A disk that has as much room as it is told."""

    def __init__(self) -> None:
        self.free = HIGH

    def space(self, low_bytes: int = LOW) -> DiskSpace:
        return DiskSpace(Path("/"), low_bytes, HIGH, lambda _: self.free)


def test_between_the_two_nothing_changes() -> None:
    disk = Disk()
    space = disk.space()
    seen = []
    for free in (HIGH, LOW, LOW - 1, LOW, HIGH - 1, HIGH, LOW, 0):
        disk.free = free
        seen.append(bool(space.shortage()))
    assert seen == [False, False, True, True, True, False, False, True]


def test_what_is_said_names_both_marks_and_stays_the_same() -> None:
    disk = Disk()
    space, disk.free = disk.space(), 0
    said = space.shortage()
    assert "10 MiB" in said
    assert "20 MiB" in said
    disk.free = LOW
    assert space.shortage() == said
    with pytest.raises(OutOfSpace, match="nearly full"):
        space.check()


def test_a_mark_of_nothing_stops_nothing() -> None:
    disk = Disk()
    disk.free = 0
    space = disk.space(low_bytes=0)
    space.check()
    assert space.shortage() == ""
