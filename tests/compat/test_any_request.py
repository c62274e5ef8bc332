"""Whatever a caller sends, the answer is one that the description names, and never a 500."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fanfold.jobs.access import UserRole
from tests.compat import scene
from tests.compat.description import described
from tests.compat.scene import People
from tests.compat.server import Door

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = "/logs/stream"
"""Its answer goes on until the caller leaves; a test of its own reads it."""
CASES = 10
"""For each operation, besides the examples that its description and its fields' edges give: over 3,000 in all."""
MORE_CASES = 300

api = schemathesis.openapi.from_dict(described()).exclude(path_regex=ENDLESS)
of_jobs = api.include(path_regex=r"\{job_id\}")
of_blocks = api.include(path_regex=r"dev/(apps|engines)/\{tag\}")


def cases(number: int) -> Callable[[Any], Any]:
    return hypothesis.settings(max_examples=number, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))


@pytest.fixture
def operator(people: People) -> Iterator[Door]:
    """Who may do everything, with a token of its own too."""
    with people.server.door() as door:
        yield door


@pytest.fixture
def caller(people: People) -> Iterator[Door]:
    """A developer, who may do all that a user of an account may, with a token that only this operation can end."""
    with people.server.door(people.keys[scene.OURS, UserRole.DEVELOPER]) as door:
        yield door


def check(case: Any, caller: Door) -> None:
    answer = case.call(base_url=str(caller.base_url), headers={"Authorization": caller.token}, timeout=20)
    case.validate_response(answer, checks=CHECKS)


@api.parametrize()
@cases(CASES)
@pytest.mark.timeout(120)
def test_every_answer_is_one_that_is_described(case: Any, caller: Door, operator: Door) -> None:
    check(case, operator if re.search("/(auth|webhooks)", case.path) else caller)


@pytest.mark.heavy
@api.parametrize()
@cases(MORE_CASES)
@pytest.mark.timeout(1200)
def test_every_answer_to_many_more_is_one_that_is_described(case: Any, caller: Door, operator: Door) -> None:
    check(case, operator if re.search("/(auth|webhooks)", case.path) else caller)


@of_jobs.parametrize()
@cases(CASES // 2)
@pytest.mark.timeout(120)
def test_every_answer_about_a_draft_is_one_that_is_described(case: Any, people: People, caller: Door) -> None:
    case.path_parameters["job_id"] = scene.draft(people.developer, people.app(scene.OURS))["id"]
    check(case, caller)


@of_jobs.parametrize()
@cases(CASES // 2)
@pytest.mark.timeout(120)
def test_every_answer_about_an_ended_job_is_one_that_is_described(case: Any, people: People, caller: Door) -> None:
    if case.method == "DELETE":
        return
    case.path_parameters["job_id"] = people.once("job of any request", lambda: ended_job(people))
    check(case, caller)


def ended_job(people: People) -> str:
    return str(scene.done(people.developer, people.app(scene.OURS))["id"])


@of_blocks.parametrize()
@cases(CASES // 5)
@pytest.mark.timeout(120)
def test_every_answer_about_a_block_is_one_that_is_described(case: Any, people: People, caller: Door) -> None:
    group = "engine" if "engines" in case.path else "app"
    case.path_parameters["tag"] = scene.push(people.developer, scene.fresh("any"), group=group)
    check(case, caller)
