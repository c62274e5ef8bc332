"""The life of a task: what an attempt's end makes of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fanfold.errors import IllegalMove
from fanfold.jobs.models import ResultManifest, Task, TaskState, Usage
from fanfold.jobs.task_lifecycle import (
    CLAIMED,
    FINAL,
    LOST_AGAIN,
    MAX_LOSSES,
    OPEN,
    GivenBack,
    Outcome,
    ProgramFailed,
    Reason,
    RunnerLost,
    Succeeded,
    after_attempt,
    after_gathering,
    after_reuse,
    is_open,
    wait_s,
)
from tests.values import a_task, after

MOST = 3


def running(**fields: object) -> Task:
    claimed = {"state": TaskState.RUNNING, "attempt": 1, "fence": 1, "lease_until": after(15), "runner": "local-0"}
    return a_task(**(claimed | fields))


def failure(task: Task, **fields: object) -> ProgramFailed:
    told = ProgramFailed(task.attempt_key, after(9), started_at=after(1), runner="local-1")
    return replace(told, exit_code=7, message="exit code 7: no", **fields)


def test_every_state_is_open_or_final() -> None:
    assert set(TaskState) == OPEN | FINAL
    assert not OPEN & FINAL
    assert OPEN - {TaskState.SCHEDULED} == CLAIMED
    assert {state for state in TaskState if is_open(state)} == OPEN


def test_a_success_completes_the_task_with_its_result_and_forgets_earlier_failures() -> None:
    task = running(failures=1, reason="exit_code", error_message="exit code 7", exit_code=7)
    result, usage = ResultManifest(1, 10, ()), Usage(0.5, 100, 10, 10)
    done = after_attempt(task, Succeeded(task.attempt_key, after(9), usage, after(1), "local-1", result=result), MOST)
    assert (done.state, done.result, done.usage, done.exit_code) == (TaskState.COMPLETED, result, usage, 0)
    assert (done.reason, done.error_message, done.lease_until, done.due_at) == ("", "", None, None)
    assert (done.started_at, done.ended_at, done.runner) == (after(1), after(9), "local-1")


def test_a_success_without_any_file_says_so_and_is_no_failure() -> None:
    task = running()
    done = after_attempt(task, Succeeded(task.attempt_key, after(9)), MOST)
    assert (done.state, done.reason, done.error_message, done.failure_id) == (TaskState.COMPLETED, "no_output", "", "")


@pytest.mark.parametrize("failures", range(MOST - 1))
def test_a_failed_attempt_is_tried_again_after_a_wait(failures: int) -> None:
    task = running(failures=failures)
    again = after_attempt(task, failure(task), MOST)
    assert (again.state, again.failures, again.lease_until) == (TaskState.SCHEDULED, failures + 1, None)
    assert again.due_at == after(9) + timedelta(seconds=wait_s(failures + 1))
    assert (again.reason, again.exit_code, again.error_message) == ("exit_code", 7, "exit code 7: no")


def test_the_last_attempt_that_fails_fails_the_task() -> None:
    task = running(failures=MOST - 1)
    failed = after_attempt(task, failure(task), MOST)
    assert (failed.state, failed.failures, failed.due_at) == (TaskState.FAILED, MOST, None)


def test_a_failure_that_no_attempt_can_mend_fails_the_task_at_once() -> None:
    task = running()
    failed = after_attempt(task, failure(task, final=True, reason=Reason.CHUNK_CHANGED), MOST)
    assert (failed.state, failed.reason) == (TaskState.FAILED, "chunk_changed")


def test_losses_of_the_runner_are_counted_apart_and_rest_from_the_second_one_on() -> None:
    task = running(failures=MOST - 1)
    for losses in range(1, MAX_LOSSES):
        task = after_attempt(task, RunnerLost(task.attempt_key, after(9)), MOST)
        assert (task.state, task.losses, task.failures) == (TaskState.SCHEDULED, losses, MOST - 1)
        assert task.due_at == after(9) + timedelta(seconds=0 if losses == 1 else wait_s(LOST_AGAIN))
    assert after_attempt(task, RunnerLost(task.attempt_key, after(9)), MOST).state is TaskState.FAILED


def test_work_given_back_counts_as_nothing() -> None:
    task = running(failures=2, losses=2)
    again = after_attempt(task, GivenBack(task.attempt_key, after(9)), MOST)
    assert (again.state, again.failures, again.losses) == (TaskState.SCHEDULED, 2, 2)
    assert (again.reason, again.due_at, again.lease_until) == ("given_back", after(9), None)


@pytest.mark.parametrize("kind", [Succeeded, ProgramFailed, RunnerLost, GivenBack])
def test_an_attempt_that_ended_holds_no_lease_and_keeps_its_numbers(kind: type[Outcome]) -> None:
    task = running(attempt=5, fence=7)
    ended = after_attempt(task, kind(task.attempt_key, after(9)), MOST)
    assert (ended.attempt, ended.fence, ended.lease_until, ended.ended_at) == (5, 7, None, after(9))
    assert (ended.due_at is not None) is (ended.state is TaskState.SCHEDULED)
    assert ended.runner == "local-0"


def test_waits_grow_up_to_a_minute() -> None:
    assert [wait_s(count) for count in range(5)] == [0.0, 0.5, 1.5, 4.5, 13.5]
    assert wait_s(50) == 60.0


def test_an_outcome_of_an_unknown_kind_is_a_defect() -> None:
    task = running()
    with pytest.raises(AssertionError, match="unknown kind"):
        after_attempt(task, Outcome(task.attempt_key, after(9)), MOST)


# ---- results of equal work


def known(**fields: object) -> Task:
    done = {"state": TaskState.COMPLETED, "result": ResultManifest(1, 7, ()), "result_key": "x", "block": "app@0.1#2"}
    return a_task(7, "other", **(done | fields))


def test_a_task_that_waits_ends_with_the_result_of_equal_work_and_forgets_its_failures() -> None:
    failed = {
        "attempt": 1,
        "fence": 1,
        "failures": 1,
        "reason": "exit_code",
        "error_message": "no",
        "runner": "local-1",
    }
    task = a_task(result_key="x", exit_code=7, failure_id="f", exception="e", frame="g", started_at=after(1), **failed)
    done = after_reuse(task, known(), after(9))
    assert (done.state, done.result, done.reused_from) == (TaskState.COMPLETED, known().result, "other")
    assert (done.attempt, done.fence, done.block, done.ended_at) == (1, 2, "app@0.1#2", after(9))
    assert (done.reason, done.error_message, done.failure_id, done.exception, done.frame) == ("", "", "", "", "")
    assert (done.exit_code, done.started_at, done.runner, done.due_at, done.usage) == (None, None, "", None, Usage())
    assert (done.key, done.chunk, done.label, done.result_key) == (task.key, task.chunk, task.label, "x")


def test_a_result_that_was_taken_twice_is_still_whose_it_was() -> None:
    assert after_reuse(a_task(result_key="x"), known(reused_from="first"), after(9)).reused_from == "first"


@pytest.mark.parametrize(
    ("task", "donor"),
    [
        (a_task(result_key="x"), known(result_key="y")),
        (a_task(), known(result_key="")),
        (a_task(result_key="x"), known(state=TaskState.FAILED)),
        (running(result_key="x"), known()),
        (a_task(result_key="x", state=TaskState.COMPLETED), known()),
    ],
)
def test_no_other_result_is_taken_and_by_no_other_task(task: Task, donor: Task) -> None:
    with pytest.raises(IllegalMove):
        after_reuse(task, donor, after(9))


def test_an_assembler_that_only_names_its_results_is_done_without_an_attempt() -> None:
    made, result = a_task(fence=1), ResultManifest(1, 7, ())
    done = after_gathering(made, result, "passthrough@0.1#1", after(3))
    assert (done.state, done.result, done.block, done.ended_at) == (
        TaskState.COMPLETED,
        result,
        "passthrough@0.1#1",
        after(3),
    )
    assert (done.attempt, done.due_at, done.lease_until) == (0, None, None)
    for begun in (running(), a_task(attempt=1)):
        with pytest.raises(IllegalMove, match="begun by a program"):
            after_gathering(begun, result, "", after(3))
