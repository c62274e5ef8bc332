"""Secret values at rest: what opens them, what does not, and a rotation that may be cut off at any moment."""

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput, Broken
from fanfold.jobs.secrets import SecretType
from fanfold.services.audit import AuditLog
from fanfold.services.sealing import Sealer
from fanfold.services.secrets import SecretService
from fanfold.stores.access import SqlAccess
from fanfold.stores.secrets import SqlSecrets
from tests.people import People, people_of_a_server

VALUE = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture
def people() -> Iterator[People]:
    with people_of_a_server() as made:
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "master-key.json"


class Killed(BaseException):
    """The process ended here."""


class DyingEffects(Effects):
    """Ends at its n-th effect; counts them."""

    def __init__(self, dies_at: int = 0) -> None:
        self.count = 0
        self.dies_at = dies_at

    def about_to(self, kind: str, what: str) -> None:
        self.count += 1
        if self.count == self.dies_at:
            raise Killed(f"{kind} {what}")


def test_a_sealed_value_opens_after_a_restart(file: Path) -> None:
    sealed = Sealer(file, Effects()).seal("a", "id", VALUE)
    assert Sealer(file, Effects()).open("a", "id", sealed) == VALUE


def test_the_same_value_is_never_sealed_the_same_way(file: Path) -> None:
    sealer = Sealer(file, Effects())
    one, other = sealer.seal("a", "id", VALUE), sealer.seal("a", "id", VALUE)
    assert one.value != other.value
    assert one.wrapped_key != other.wrapped_key


def test_neither_a_sealed_value_nor_the_keys_are_shown(file: Path) -> None:
    sealer = Sealer(file, Effects())
    sealed = sealer.seal("a", "id", VALUE)
    assert VALUE.encode() not in sealed.value
    assert repr(sealed) == f"Sealed(master='{sealer.current}')"


@pytest.mark.parametrize(("account", "secret_id"), [("b", "id"), ("a", "other"), ("ai", "d")])
def test_a_row_that_was_moved_does_not_open(file: Path, account: str, secret_id: str) -> None:
    sealer = Sealer(file, Effects())
    with pytest.raises(Broken, match="moved to another place"):
        sealer.open(account, secret_id, sealer.seal("a", "id", VALUE))


@pytest.mark.parametrize("part", ["value", "wrapped_key"])
def test_a_changed_byte_does_not_open(file: Path, part: str) -> None:
    sealer = Sealer(file, Effects())
    sealed = sealer.seal("a", "id", VALUE)
    data = bytearray(getattr(sealed, part))
    data[-1] ^= 1
    changed = replace(sealed, value=bytes(data)) if part == "value" else replace(sealed, wrapped_key=bytes(data))
    with pytest.raises(Broken):
        sealer.open("a", "id", changed)


def test_without_its_master_key_a_value_says_what_to_bring_back(file: Path, tmp_path: Path) -> None:
    sealed = Sealer(file, Effects()).seal("a", "id", VALUE)
    with pytest.raises(Broken, match="backup"):
        Sealer(tmp_path / "other.json", Effects()).open("a", "id", sealed)


def test_the_file_is_its_owners_alone(file: Path) -> None:
    sealer = Sealer(file, Effects())
    sealer.begin_rotation()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    with pytest.raises(BadInput, match="chmod 600"):
        Sealer(file, Effects())


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 1, "current": "x", "keys": {}}'])
def test_a_damaged_file_is_refused_and_kept(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(BadInput, match="backup"):
        Sealer(file, Effects())
    assert file.read_text() == text


def test_values_that_passed_are_masked(file: Path) -> None:
    sealer = Sealer(file, Effects())
    sealer.seal("a", "id", VALUE)
    assert sealer.mask(f"key {VALUE}!") == "key ***!"


# ---- rotation


def _service(people: People, sealer: Sealer) -> SecretService:
    audit = AuditLog(SqlAccess(people.database), people.clock)
    return SecretService(SqlSecrets(people.database), sealer, audit, people.clock)


def _stored(people: People, file: Path, count: int = 3) -> list[str]:
    service = _service(people, Sealer(file, Effects()))
    ids = [f"key-{number}" for number in range(count)]
    for secret_id in ids:
        service.put(people.admin, secret_id, SecretType.OTHER, secret_key=VALUE + secret_id)
    return ids


def _opened(people: People, file: Path, ids: list[str]) -> None:
    service = _service(people, Sealer(file, Effects()))
    for secret_id in ids:
        assert service.find("default", secret_id).secret_key == VALUE + secret_id


def test_a_rotation_leaves_one_new_key_and_every_value_readable(people: People, file: Path) -> None:
    ids = _stored(people, file, 250)
    before = json.loads(file.read_text())
    assert _service(people, Sealer(file, Effects())).rotate(people.admin) == 250
    after = json.loads(file.read_text())
    assert len(after["keys"]) == 1
    assert after["current"] != before["current"]
    _opened(people, file, ids)


def test_a_rotation_that_is_killed_at_any_effect_loses_nothing_and_is_ended_at_the_next_start(
    people: People, file: Path
) -> None:
    ids = _stored(people, file)
    started, died = json.loads(file.read_text())["current"], 0
    for dies_at in range(1, 30):
        effects = DyingEffects(dies_at)
        people.database._effects = effects
        try:
            _service(people, Sealer(file, effects)).rotate(people.admin)
        except Killed:
            died += 1
        finally:
            people.database._effects = Effects()
        _opened(people, file, ids)
        _service(people, Sealer(file, Effects())).clear_up()
        assert len(json.loads(file.read_text())["keys"]) == 1
        _opened(people, file, ids)
    assert died > 10
    assert json.loads(file.read_text())["current"] != started


def test_a_file_that_cannot_be_written_is_told_and_changes_nothing(people: People, file: Path) -> None:
    class Refusing(Effects):
        def about_to(self, kind: str, what: str) -> None:
            if kind == "rename" and what == file.name:
                raise PermissionError(13, "Permission denied")

    ids = _stored(people, file)
    with pytest.raises(BadInput, match="cannot be written: Permission denied"):
        _service(people, Sealer(file, Refusing())).rotate(people.admin)
    _opened(people, file, ids)
