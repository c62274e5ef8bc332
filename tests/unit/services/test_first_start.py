"""The first start: whenever it is cut off, somebody gets in afterwards, and the key is kept only until it was told."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput
from fanfold.services.access import AccessService
from fanfold.services.first_start import FILE_NAME, FirstStart
from fanfold.stores.access import SqlAccess
from fanfold.stores.sqlite import SqliteDatabase
from tests.people import PEPPER, TurnedClock


class Killed(BaseException):
    """The process is gone."""


class DyingEffects(Effects):
    """Dies instead of its n-th effect."""

    def __init__(self, dies_at: int = 0) -> None:
        self.dies_at = dies_at
        self.count = 0

    def about_to(self, kind: str, what: str) -> None:
        self.count += 1
        if self.count == self.dies_at:
            raise Killed


class Server:
    """A server process at its start, over what an earlier one left."""

    def __init__(self, folder: Path, effects: Effects) -> None:
        self.database = SqliteDatabase(folder / "fanfold.db", Effects())
        self.database._effects = effects
        self.access = AccessService(SqlAccess(self.database), TurnedClock(), PEPPER)
        self.furnished = 0
        self.start = FirstStart(self.access, folder, effects, self._furnish)

    def _furnish(self) -> None:
        self.furnished += 1

    def key(self) -> str | None:
        try:
            return self.start.key()
        finally:
            self.database.close()


def test_the_key_is_told_again_until_it_was_told_once(tmp_path: Path) -> None:
    key = Server(tmp_path, Effects()).key()
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    again = Server(tmp_path, Effects())
    assert (again.start.key(), again.furnished) == (key, 1)
    again.access.sign_in(str(key))
    again.start.told()
    again.start.told()
    assert not (tmp_path / FILE_NAME).exists()
    assert again.start.key() is None
    again.database.close()


def test_a_first_start_that_is_killed_at_any_effect_lets_somebody_in_at_the_next(tmp_path: Path) -> None:
    died = 0
    for dies_at in range(1, 20):
        folder = tmp_path / str(dies_at)
        folder.mkdir()
        effects = DyingEffects(dies_at)
        try:
            Server(folder, effects).key()
        except Killed:
            died += 1
        following = Server(folder, Effects())
        key = following.start.key()
        assert key is not None
        following.access.sign_in(key)
        assert following.furnished == 1
        following.database.close()
    assert died >= 4


def test_a_key_file_that_others_may_read_or_that_is_cut_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("ff_short\n")
    (tmp_path / FILE_NAME).chmod(0o600)
    with pytest.raises(BadInput, match="not whole"):
        Server(tmp_path, Effects()).key()
    (tmp_path / FILE_NAME).chmod(0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        Server(tmp_path, Effects()).key()
