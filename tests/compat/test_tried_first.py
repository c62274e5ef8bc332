"""A few chunks before all: canaries that have to pass, and samples. Starts are counted by the programs themselves."""

import time
from pathlib import Path

import pytest

from tests.compat.conftest import Starting
from tests.compat.scene import People, draft, ended, job_of, push, run
from tests.compat.server import json_of, until
from tests.compat.test_never_twice import COUNTED, WORKS, Counting, output_of, tasks_of
from tests.pace import promised

FAILS = COUNTED + "echo 'ValueError: never works'; exit 3\n"
FAILS_FROM_3 = WORKS.replace('echo "chunk', 'if [ "$FANFOLD_CHUNK_INDEX" -ge 3 ]; then exit 3; fi\necho "chunk')


@pytest.fixture
def counting(people: People, tmp_path: Path) -> Counting:
    return Counting(people, tmp_path)


def test_an_app_that_always_fails_is_started_as_often_as_there_are_canaries(counting: Counting) -> None:
    counting.push(FAILS)
    begin = time.monotonic()
    job = counting.run(1000, "JOB_STATE_FAILED", config={"canary": 3})
    assert time.monotonic() - begin < promised(10)
    assert counting.counted() == {"0": 1, "1": 1, "2": 1}
    assert job["failureReason"] == "canary"
    assert "3 of the 3 chunks that ran first failed" in job["errorMessage"]
    assert "chunk 0" in job["errorMessage"]
    states = [task["state"] for task in tasks_of(counting.door, job)]
    assert (states.count("TASK_STATE_FAILED"), states.count("TASK_STATE_ABORTED")) == (3, 997)


def test_after_canaries_that_pass_the_others_run(counting: Counting) -> None:
    counting.push(WORKS)
    counting.run(12, config={"canary": 3, "maxAttempts": 2})
    assert counting.counted() == {str(index): 1 for index in range(12)}


def test_only_canaries_are_not_tried_again(counting: Counting) -> None:
    counting.push(FAILS_FROM_3)
    job = counting.run(5, "JOB_STATE_FAILED", config={"canary": 3, "maxAttempts": 2, "onFailure": "finish"})
    assert counting.counted() == {"0": 1, "1": 1, "2": 1, "3": 2, "4": 2}
    assert job["failureReason"] == "tasks_failed"


def test_a_canary_is_beyond_the_budget_for_failures(counting: Counting) -> None:
    counting.push(FAILS)
    job = counting.run(10, "JOB_STATE_FAILED", config={"canary": 1, "maxFailedTasks": 10})
    assert (job["failureReason"], counting.counted()) == ("canary", {"0": 1})


def test_with_no_more_chunks_than_canaries_there_are_none(counting: Counting) -> None:
    counting.push(FAILS)
    job = counting.run(2, "JOB_STATE_FAILED", config={"canary": 2, "maxAttempts": 2, "onFailure": "finish"})
    assert (job["failureReason"], counting.counted()) == ("tasks_failed", {"0": 2, "1": 2})


def test_a_further_round_begins_with_canaries_too(counting: Counting) -> None:
    counting.push(FAILS)
    job = counting.run(8, "JOB_STATE_FAILED", config={"canary": 2})
    counting.push(FAILS_FROM_3, "0.2")
    counting.retry(job, "JOB_STATE_FAILED", app=f"{counting.app}@0.2")
    first = counting.counted()
    assert first.keys() >= {"0", "1", "2"}
    counting.push(WORKS, "0.3")
    job = counting.retry(job, app=f"{counting.app}@0.3")
    assert set(counting.counted()) == {"3", "4", "5", "6", "7"} - set(first) | (set(first) - {"0", "1", "2"})
    assert len(output_of(counting.door, job)) == 1


def test_a_server_that_dies_among_canaries_goes_on_with_them(starting: Starting, tmp_path: Path) -> None:
    server = starting(isolation="off")
    gate = tmp_path / "gate"
    hold = COUNTED + f'while [ ! -e "{gate}" ]; do sleep 0.05; done\necho x > "$TASK_RESULTS_DIR/x"\n'
    starts = tmp_path / "starts"
    starts.touch()
    with server.door() as door:
        params = {"partitioner": {"num_replicas": 6}, "app": {"starts": str(starts)}}
        job = draft(door, push(door, "held", hold), partitioner="replicate", params=params, config={"canary": 1})
        run(door, job["id"])
        until("the canary runs", lambda: starts.read_text().split() == ["0"])
        server.kill()
    server.start()
    with server.door() as door:
        until("the canary runs again", lambda: starts.read_text().split() == ["0", "0"])
        gate.touch()
        ended(door, job["id"])
    assert sorted(starts.read_text().split()) == ["0", "0", "1", "2", "3", "4", "5"]


# ---- samples


def test_a_sample_runs_some_chunks_and_merges_them_and_says_so(counting: Counting) -> None:
    counting.push(COUNTED + 'cat "$TASK_DIR"/* > "$TASK_RESULTS_DIR/out.txt"\n')
    source = "".join(f"line {number}\n" for number in range(100))
    outputs, labels = [], []
    for seed in (7, 7, 8):
        config = {"sample": 5, "sampleSeed": seed, "reuse": "off"}
        job = _of_lines(counting, source, config)
        assert [said for said in job["warnings"] if f"5 of 100 chunks, chosen with seed {seed}" in said]
        assert sum(counting.counted().values()) == 5
        [output] = output_of(counting.door, job).values()
        outputs.append(output)
        labels.append([task["label"] for task in tasks_of(counting.door, job)])
    assert outputs[0] == outputs[1] != outputs[2]
    lines = outputs[0].decode().splitlines()
    assert len(set(lines)) == 5
    assert set(lines) <= set(source.splitlines())
    assert lines == sorted(lines, key=lambda line: int(line.split()[1]))
    assert len(set(labels[0])) == 5


def test_a_sample_of_more_than_there_is_is_everything(counting: Counting) -> None:
    counting.push(WORKS)
    job = counting.run(3, config={"sample": 4})
    assert (job["warnings"], sum(counting.counted().values())) == ([], 3)


def _of_lines(counting: Counting, text: str, config: dict[str, object]) -> dict[str, object]:
    wanted = {
        "partitioner": "split-lines",
        "assembler": "concat",
        "params": {"partitioner": {"lines": 1}, "app": {"starts": str(counting.starts)}},
        "dataSource": {"dataSourceDescriptor": "file"},
        "config": config,
    }
    job = draft(counting.door, f"{counting.app}@0.1", **wanted)
    json_of(counting.door.put(job["dataSource"]["params"]["tempUrl"], content=text.encode()))
    json_of(counting.door.post(f"/v1/customer/jobs/{job['id']}/uploadcompleted"))
    run(counting.door, job["id"])
    ended(counting.door, job["id"])
    return job_of(counting.door, job["id"])
