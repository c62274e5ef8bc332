"""Result keys: equal for equal work, another one for whatever may change a result."""

from dataclasses import replace
from typing import Any

import pytest

from fanfold.jobs.models import Job, JobConfig, JobParams
from fanfold.jobs.reuse import result_key, reuses, work_key
from tests.values import BLOCKS, a_job


def job(config: JobConfig | None = None, account: str = "ann", **app: Any) -> Job:
    manifest = {**BLOCKS.app.manifest, "deterministic": True, **app.pop("manifest", {})}
    blocks = replace(BLOCKS, app=replace(BLOCKS.app, manifest=manifest, **app))
    params = JobParams(app={"a": 1, "b": [2.5, None]})
    return a_job(account_id=account, blocks=blocks, params=params, config=config or JobConfig())


def test_equal_work_has_equal_keys_whatever_the_job_is_called() -> None:
    other = replace(job(), id="other", name="other", params=JobParams({"x": 1}, {"b": [2.5, None], "a": 1}, {"y": 1}))
    assert work_key(job(), "python") == work_key(other, "python") != ""


def secrets(*names: str) -> dict[str, Any]:
    return {"manifest": {"platform_config": {"secrets": list(names)}}}


@pytest.mark.parametrize(
    "other",
    [
        work_key(job(account="bob"), "python"),
        work_key(job(sha256="1" * 64), "python"),
        work_key(job(**secrets("S")), "python"),
        work_key(job(), "another python"),
        work_key(replace(job(), params=JobParams(app={"a": 1, "b": [2.5, 0]})), "python"),
    ],
)
def test_whatever_may_change_a_result_changes_the_key(other: str) -> None:
    assert other not in ("", work_key(job(), "python"))


def test_the_order_of_secrets_changes_nothing() -> None:
    assert work_key(job(**secrets("A", "B")), "python") == work_key(job(**secrets("B", "A")), "python")


def test_a_key_is_of_work_and_chunk() -> None:
    keys = {result_key(work, content) for work in ("v", "w") for content in ("a", "b")}
    assert len(keys) == 4
    assert {len(key) for key in keys} == {64}
    assert result_key("", "a") == result_key("w", "") == ""


def test_what_is_not_deterministic_or_switched_off_or_not_known_has_no_key() -> None:
    assert reuses(job())
    for one in (job(JobConfig(reuse=False)), job(manifest={"deterministic": False}), a_job(blocks=BLOCKS), a_job()):
        assert not reuses(one)
        assert work_key(one, "python") == ""
    assert work_key(job(), None) == ""
