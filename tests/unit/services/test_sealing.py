"""Secret values at rest: what opens them, what does not, and a rotation that may be cut off at any moment."""

import base64
import json
import stat
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
from tests.people import People

VALUE = "wJalrXUtnFEMI/K7MDENG"


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


# ---- keys that are given


def _key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


ONE, TWO = _key(1), _key(2)


def _given(people: People, file: Path, keys: str) -> SecretService:
    return _service(people, Sealer(file, Effects(), keys))


def test_a_given_key_seals_without_a_file(people: People, file: Path) -> None:
    service = _given(people, file, ONE)
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    assert _given(people, file, f" {ONE}\n").find("default", "key").secret_key == VALUE
    assert not file.exists()
    with pytest.raises(Broken, match="FANFOLD_MASTER_KEY"):
        _given(people, file, TWO).find("default", "key")


@pytest.mark.parametrize("text", [" ", ",", "short", ONE[:-2], ONE + ONE, f"{ONE} x", "password" * 5, "é" * 44])
def test_what_is_no_key_is_refused_and_not_repeated(file: Path, text: str) -> None:
    with pytest.raises(BadInput, match="each is 32 bytes in base64") as refused:
        Sealer(file, Effects(), text)
    assert text.strip(" ,") == "" or text not in str(refused.value)
    assert not file.exists()


def test_a_server_cannot_rotate_a_key_that_it_was_given_and_says_what_to_do(people: People, file: Path) -> None:
    service = _given(people, file, ONE)
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    with pytest.raises(BadInput, match="NEW OLD"):
        service.rotate(people.admin)
    assert service.find("default", "key").secret_key == VALUE


def test_two_given_keys_rotate_at_the_start_wherever_that_is_killed(people: People, file: Path) -> None:
    service = _given(people, file, ONE)
    for number in range(3):
        service.put(people.admin, f"key-{number}", SecretType.OTHER, secret_key=VALUE)
    died = 0
    for dies_at in range(1, 10):
        people.database._effects = DyingEffects(dies_at)
        new, old = (TWO, ONE) if dies_at % 2 else (ONE, TWO)
        try:
            _given(people, file, f"{new},{old}").clear_up()
        except Killed:
            died += 1
        finally:
            people.database._effects = Effects()
        _given(people, file, f"{new} {old}").clear_up()
        alone = _given(people, file, new)
        assert [alone.find("default", f"key-{number}").secret_key for number in range(3)] == [VALUE] * 3
    assert died >= 3
    assert not file.exists()


def test_a_given_key_takes_over_from_a_file_which_is_then_not_needed(people: People, file: Path) -> None:
    ids = _stored(people, file)
    kept = file.read_bytes()
    assert _given(people, file, ONE).finish_rotation() == len(ids)
    assert file.read_bytes() == kept
    file.unlink()
    assert _given(people, file, ONE).find("default", ids[0]).secret_key == VALUE + ids[0]
