"""Secrets of accounts: what is stored and shown, who gets them, and what is said where nobody does."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, NotFound
from fanfold.jobs.blocks import BlockType
from fanfold.jobs.models import PinnedBlock
from fanfold.jobs.secrets import SecretType
from fanfold.ports.blocks import BlockRecord, BlockStatus
from fanfold.services.audit import AuditLog
from fanfold.services.caller_secrets import CallerSecrets
from fanfold.services.sealing import Sealer
from fanfold.services.secrets import SecretService, secret_type
from fanfold.stores.access import SqlAccess
from fanfold.stores.secrets import SqlSecrets
from fanfold.stores.server_tables import audit, secrets
from tests.people import People
from tests.values import NOON

VALUE = "wJalrXUtnFEMI/K7MDENG"


@pytest.fixture
def service(people: People, tmp_path: Path) -> SecretService:
    log = AuditLog(SqlAccess(people.database), people.clock)
    sealer = Sealer(tmp_path / "master-key.json", Effects())
    return SecretService(SqlSecrets(people.database), sealer, log, people.clock)


def _block(*listed: str, imported: bool = False, revision: int = 1) -> PinnedBlock:
    manifest = {"name": "app", "version": "0.1", "platform_config": {"secrets": list(listed)}}
    return PinnedBlock("block-1", "app", "0.1", revision, "00", "packages/00", False, manifest, imported)


def _record(account_id: str = "theirs", revision: int = 1) -> BlockRecord:
    return BlockRecord(
        id="block-1",
        account_id=account_id,
        type=BlockType.APP,
        name="app",
        version="0.1",
        revision=revision,
        status=BlockStatus.ACTIVE,
        description="",
        manifest={},
        schema={},
        hash="",
        archive="archives/00.zip",
        package="packages/00",
        is_public=True,
        created_at=NOON,
        updated_at=NOON,
    )


def test_a_secret_is_listed_without_its_value_which_is_sealed(people: People, service: SecretService) -> None:
    service.put(people.admin, "my-s3", SecretType.AWS, name="results", access_key="AKIA", secret_key=VALUE)
    [(record, grants)] = service.listed(people.admin)
    assert (record.id, record.name, record.type, record.access_key) == ("my-s3", "results", SecretType.AWS, "AKIA")
    assert grants == []
    assert VALUE not in repr(record)
    with people.database.reading() as connection:
        row = connection.execute(sa.select(secrets)).mappings().one()
        entries = connection.execute(sa.select(audit)).mappings().all()
    assert VALUE.encode() not in row["value"] + row["wrapped_key"]
    assert VALUE not in repr(entries)
    assert [entry["action"] for entry in entries][-1] == "secret.put"


def test_a_new_value_replaces_the_old_and_keeps_grants_and_creation_time(
    people: People, service: SecretService
) -> None:
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    service.grant(people.admin, SecretType.OTHER, "key", _record())
    people.clock.turn(60)
    record = service.put(people.admin, "key", SecretType.OTHER, secret_key="another value")
    assert (record.created_at, record.updated_at) == (NOON, NOON + timedelta(seconds=60))
    assert service.find("default", "key").secret_key == "another value"
    assert len(service.grants(people.admin, "key")) == 1


def test_another_type_under_the_same_id_is_a_conflict(people: People, service: SecretService) -> None:
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    with pytest.raises(Conflict, match="is of type 'other'"):
        service.put(people.admin, "key", SecretType.AWS, access_key="AKIA", secret_key=VALUE)


def test_all_that_is_wrong_is_named_at_once_and_no_value_with_it(people: People, service: SecretService) -> None:
    with pytest.raises(BadInput) as refused:
        service.put(people.admin, "1 x", SecretType.AWS, secret_key=VALUE * 2000, expires_at=NOON)
    fields = {problem.field for problem in refused.value.problems}
    assert fields == {"secret.id", "secretKey", "secret.accessKey", "secret.expiresAt"}
    assert VALUE not in str(refused.value)


@pytest.mark.parametrize("secret_id", ["path", "ld-preload", "PYTHONPATH", "fanfold-job-id", "task-dir", "app_params"])
def test_an_id_whose_variable_means_something_else_is_refused(
    people: People, service: SecretService, secret_id: str
) -> None:
    with pytest.raises(BadInput, match="means something else"):
        service.put(people.admin, secret_id, SecretType.OTHER, secret_key=VALUE)


@pytest.mark.parametrize("secret_id", ["", "-a", "a b", "a=b", "é", "job:1", "a" * 65])
def test_an_id_that_makes_no_variable_is_refused(people: People, service: SecretService, secret_id: str) -> None:
    with pytest.raises(BadInput, match=r"secret\.id"):
        service.put(people.admin, secret_id, SecretType.OTHER, secret_key=VALUE)


def test_types_have_an_alias_and_unknown_ones_are_named() -> None:
    assert secret_type("s3") is SecretType.AWS
    with pytest.raises(BadInput, match="known are aws"):
        secret_type("azure")


def test_a_place_is_told_in_words_what_is_unknown_or_expired(people: People, service: SecretService) -> None:
    end = NOON + timedelta(hours=1)
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE, expires_at=end)
    assert service.find("default", "key").secret_key == VALUE
    people.clock.turn(3600)
    with pytest.raises(BadInput, match="'key' expired at 2"):
        service.find("default", "key")
    with pytest.raises(BadInput, match="there is no secret 'none'"):
        service.find("default", "none")


def test_another_accounts_secret_is_not_there(people: People, service: SecretService) -> None:
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    with pytest.raises(BadInput, match="there is no secret 'key'"):
        service.find("theirs", "key")
    stranger = replace(people.admin, account_id="theirs")
    assert service.listed(stranger) == []
    with pytest.raises(NotFound):
        service.delete(stranger, SecretType.OTHER, "key")


def test_an_own_block_gets_what_its_manifest_lists_and_no_more(people: People, service: SecretService) -> None:
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    service.put(people.admin, "my-s3", SecretType.STORJ, access_key="jx", secret_key="pair's value")
    assert service.environment("default", _block()) == {}
    assert service.environment("default", _block("key")) == {"KEY": VALUE}
    both = service.environment("default", _block("key", "my-s3"))
    assert both == {"KEY": VALUE, "MY_S3_ACCESS_KEY": "jx", "MY_S3_SECRET_KEY": "pair's value"}


def test_every_secret_that_a_block_cannot_have_is_named(people: People, service: SecretService) -> None:
    service.put(people.admin, "old", SecretType.OTHER, secret_key=VALUE, expires_at=NOON + timedelta(seconds=1))
    people.clock.turn(1)
    with pytest.raises(BadInput) as refused:
        service.environment("default", _block("old", "none", "a b"))
    said = str(refused.value)
    assert "'old' expired" in said
    assert "there is no secret 'none'" in said
    assert "'a b' is not the id of a secret" in said


def test_an_imported_block_gets_nothing_until_it_is_granted(people: People, service: SecretService) -> None:
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    imported = _block("key", imported=True)
    with pytest.raises(BadInput, match=r"fanfold secret grant key app@0\.1"):
        service.environment("default", imported)
    service.grant(people.admin, SecretType.OTHER, "key", _record())
    assert service.environment("default", imported) == {"KEY": VALUE}
    service.revoke(people.admin, SecretType.OTHER, "key", _record())
    service.revoke(people.admin, SecretType.OTHER, "key", _record())
    with pytest.raises(BadInput, match="is not granted"):
        service.environment("default", imported)


def test_a_grant_does_not_reach_a_further_revision(people: People, service: SecretService) -> None:
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    service.grant(people.admin, SecretType.OTHER, "key", _record())
    further = _block("key", imported=True, revision=2)
    with pytest.raises(BadInput, match="granted to revision 1, and this is revision 2"):
        service.environment("default", further)
    service.grant(people.admin, SecretType.OTHER, "key", _record(revision=2))
    assert service.environment("default", further) == {"KEY": VALUE}


def test_a_secret_that_comes_back_under_its_id_has_no_old_grants(people: People, service: SecretService) -> None:
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    service.grant(people.admin, SecretType.OTHER, "key", _record())
    service.delete(people.admin, SecretType.OTHER, "key")
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    assert service.grants(people.admin, "key") == []


def test_an_own_block_and_a_built_in_one_need_no_grant(people: People, service: SecretService) -> None:
    service.put(people.admin, "key", SecretType.OTHER, secret_key=VALUE)
    with pytest.raises(BadInput, match="is your own"):
        service.grant(people.admin, SecretType.OTHER, "key", _record("default"))
    with pytest.raises(BadInput, match="is built in"):
        service.grant(people.admin, SecretType.OTHER, "key", replace(_record(), archive=""))
    with pytest.raises(NotFound):
        service.grant(people.admin, SecretType.AWS, "key", _record())


def test_two_secrets_of_one_variable_are_not_given_together(people: People, service: SecretService) -> None:
    service.put(people.admin, "a-b", SecretType.OTHER, secret_key=VALUE)
    service.put(people.admin, "a_b", SecretType.OTHER, secret_key=VALUE)
    with pytest.raises(BadInput, match="share the variable 'A_B'"):
        service.environment("default", _block("a-b", "a_b"))


def test_without_a_server_a_secret_comes_from_the_callers_environment() -> None:
    secrets_of = CallerSecrets({"KEY": VALUE, "MY_S3_ACCESS_KEY": "AKIA", "MY_S3_SECRET_KEY": "x", "HOME": "/"})
    given = secrets_of.environment("", _block("key", "my-s3"))
    assert given == {"KEY": VALUE, "MY_S3_ACCESS_KEY": "AKIA", "MY_S3_SECRET_KEY": "x"}


def test_without_a_server_what_is_not_set_is_named_with_the_mend() -> None:
    with pytest.raises(BadInput, match=r"set KEY_ACCESS_KEY and KEY_SECRET_KEY, or KEY for a secret"):
        CallerSecrets({"KEY_ACCESS_KEY": "alone"}).environment("", _block("key"))
