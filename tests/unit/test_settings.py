"""Settings: a file gives way to the environment, that to flags; every wrong one is named."""

import dataclasses
from pathlib import Path

import pytest

from fanfold.errors import BadInput
from fanfold.settings import Settings


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "fanfold.toml"
    path.write_text(text)
    return path


def test_a_file_gives_way_to_the_environment_and_that_to_flags(tmp_path: Path) -> None:
    file = file_of(tmp_path, "slots = 1\nlease_s = 1.5\nkill_grace_s = 0.5\n")
    settings = Settings.load(file, {"FANFOLD_SLOTS": "2", "FANFOLD_LEASE_S": "2.5"}, slots=3)
    assert (settings.slots, settings.lease_s, settings.kill_grace_s) == (3, 2.5, 0.5)


def test_a_flag_that_is_not_given_changes_nothing() -> None:
    assert Settings.load(None, {"FANFOLD_SLOTS": "2"}, slots=None).slots == 2


def test_every_setting_has_a_default_and_a_sentence() -> None:
    settings = Settings.load()
    assert settings.slots >= 1
    assert all(
        field.metadata["what"].endswith(".") or "default" in field.metadata["what"]
        for field in dataclasses.fields(settings)
    )


def test_values_come_in_the_type_of_their_setting(tmp_path: Path) -> None:
    settings = Settings.load(None, {"FANFOLD_STATE": str(tmp_path), "FANFOLD_LEASE_S": "3"})
    assert (settings.state, settings.lease_s, type(settings.lease_s)) == (tmp_path, 3.0, float)


def test_variables_of_the_contract_are_no_settings() -> None:
    environment = {"FANFOLD_JOB_ID": "job", "FANFOLD_TASK_ID": "task", "PATH": "/bin"}
    assert Settings.load(None, environment) == Settings.load()


def test_every_wrong_setting_is_named_with_where_it_came_from(tmp_path: Path) -> None:
    file = file_of(tmp_path, 'slots = "many"\ncolour = "red"\noversize = "maybe"\n')
    with pytest.raises(BadInput) as refused:
        Settings.load(file, {"FANFOLD_LEASE_S": "soon"})
    found = {problem.field: problem.reason for problem in refused.value.problems}
    assert set(found) == {"file: slots", "file: colour", "file: oversize", "environment: lease_s"}
    assert found["file: slots"] == "expected int, found 'many'"
    assert found["file: oversize"] == "expected one of wait, clamp, found 'maybe'"
    assert "known are" in found["file: colour"]


@pytest.mark.parametrize(
    "line", ["slots = [1]", "slots = 2.5", "state = 5", "lease_s = {}", "python = ['a']", "slots = true"]
)
def test_a_value_of_another_kind_is_refused_in_words(tmp_path: Path, line: str) -> None:
    with pytest.raises(BadInput, match="expected"):
        Settings.load(file_of(tmp_path, line + "\n"))


@pytest.mark.parametrize(
    "variable",
    ["SLOTS=0", "SLOTS=-1", "LEASE_S=0", "LEASE_S=nan", "LEASE_S=inf", "KILL_GRACE_S=-1", "MAX_PARTITIONING=0"],
)
def test_a_number_that_would_stop_all_work_is_refused(variable: str) -> None:
    name, _, value = variable.partition("=")
    with pytest.raises(BadInput, match=name.lower()):
        Settings.load(None, {f"FANFOLD_{name}": value})


def test_a_flag_is_checked_like_the_others() -> None:
    with pytest.raises(BadInput, match="flags: slots"):
        Settings.load(slots=0)


@pytest.mark.parametrize("text", ["slots = ", "\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match=r"fanfold\.toml' cannot be read"):
        Settings.load(file_of(tmp_path, text))
    with pytest.raises(BadInput, match="cannot be read"):
        Settings.load(tmp_path / "nowhere.toml")


def test_a_master_key_is_taken_from_the_environment_and_not_shown() -> None:
    settings = Settings.load(None, {"FANFOLD_MASTER_KEY": "c2VjcmV0"})
    assert settings.master_key == "c2VjcmV0"
    assert "c2VjcmV0" not in repr(settings)


def test_a_high_watermark_under_the_low_one_is_refused() -> None:
    with pytest.raises(BadInput, match=r"disk_high_bytes: expected at least disk_low_bytes \(20\), found 10"):
        Settings.load(disk_low_bytes=20, disk_high_bytes=10)


@pytest.mark.parametrize(
    ("wrong", "about"),
    [
        ({"storage": "bucket"}, "storage"),
        ({"storage": "s3://"}, "storage"),
        ({"storage": "s3://UPPER/x"}, "storage"),
        ({"storage": "s3://bucket/../other"}, "storage"),
        ({"storage": "s3://bucket/a b"}, "storage"),
        ({"storage": "s3://key:secret@bucket/x"}, "storage"),
        ({"storage": "s3://bucket", "storage_endpoint": "ftp://host"}, "storage_endpoint"),
        ({"storage": "s3://bucket", "storage_endpoint": "http://user:pass@host"}, "storage_endpoint"),
        ({"storage": "s3://bucket", "storage_endpoint": "http://host/path"}, "storage_endpoint"),
        ({"storage": "s3://bucket", "storage_access_key": "key"}, "storage_secret_key"),
        ({"storage_cache_bytes": "-1"}, "storage_cache_bytes"),
    ],
)
def test_a_wrong_job_storage_is_named(wrong: dict[str, str], about: str) -> None:
    with pytest.raises(BadInput, match=about):
        Settings.load(None, {f"FANFOLD_{name.upper()}": value for name, value in wrong.items()})


def test_keys_of_the_job_storage_are_not_shown() -> None:
    settings = Settings.load(None, {"FANFOLD_STORAGE_ACCESS_KEY": "one-key", "FANFOLD_STORAGE_SECRET_KEY": "two-key"})
    assert "one-key" not in repr(settings)
    assert "two-key" not in repr(settings)
