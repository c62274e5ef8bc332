"""How many failures a job tolerates, what becomes of them, and how they are grouped. Starts are counted by the programs
themselves: each appends a line to a file that its params name."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.compat.scene import People, draft, ended, fresh, job_of, push, run
from tests.compat.server import Server, json_of, until
from tests.compat.test_never_twice import COUNTED, WORKS, Counting, failures_of, output_of, tasks_of
from tests.pace import promised

LOOKS = 10
SIZES = [200, pytest.param(1000, marks=[pytest.mark.heavy, pytest.mark.timeout(300)])]
BAD_OF_A_HUNDRED = 3
SLOWLY = 'sleep 0.02\necho "chunk'


@pytest.fixture
def counting(people: People, tmp_path: Path) -> Counting:
    return Counting(people, tmp_path)


def bad_of(chunks: int) -> list[int]:
    """Every tenth of the first third, three in a hundred of all."""
    return list(range(5, chunks * BAD_OF_A_HUNDRED // 10, 10))


def failing_on(bad: list[int]) -> str:
    listed = "|".join(map(str, bad))
    fails = f'case $FANFOLD_CHUNK_INDEX in {listed}) echo "ValueError: row $FANFOLD_CHUNK_INDEX"; exit 3;; esac\n'
    return WORKS.replace('echo "chunk', fails + SLOWLY)


def running(server: Server) -> list[list[str]]:
    """The programs that a server runs at this moment."""
    found = []
    for child in psutil.Process(server.pid).children(recursive=True):
        try:
            found.append(child.cmdline())
        except psutil.NoSuchProcess:
            continue
    return [words for words in found if any(word.endswith("main.sh") for word in words)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("chunks", SIZES)
def test_within_the_share_the_rest_is_merged_and_each_failure_is_told(counting: Counting, chunks: int) -> None:
    bad = bad_of(chunks)
    counting.push(failing_on(bad))
    job = counting.run(chunks, deadline_s=240, config={"maxAttempts": 1, "maxFailedTasksPercent": 5})
    assert (job["partial"], job["progress"]["failed"]) == (True, len(bad))
    assert counting.counted() == Counter(map(str, range(chunks)))
    [output] = output_of(counting.door, job).values()
    assert output == b"".join(b"chunk %d\n" % index for index in range(chunks) if index not in bad)
    results: Any = json_of(counting.door.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
    told = {result["name"]: counting.door.get(result["link"]).content for result in results}
    entries = [json.loads(line) for line in told["failed.jsonl"].splitlines()]
    assert [entry["chunk"] for entry in entries] == bad
    assert {tuple(entry["lines"]) for entry in entries} == {(f"ValueError: row {index}",) for index in bad}
    assert len(json.loads(told["provenance.json"])["chunks"]) == chunks


@pytest.mark.timeout(120)
@pytest.mark.parametrize("chunks", SIZES)
def test_over_the_share_it_fails_early_and_nothing_is_left_running(
    counting: Counting, people: People, chunks: int
) -> None:
    counting.push(failing_on(bad_of(chunks)))
    job = counting.run(chunks, "JOB_STATE_FAILED", config={"maxAttempts": 1, "maxFailedTasksPercent": 2})
    rest: list[bool] = []

    def is_at_rest() -> bool:
        rest.append(not running(people.server))
        return len(rest) >= LOOKS and all(rest[-LOOKS:])

    until("its programs have ended", is_at_rest, promised(2.0))
    starts = sum(counting.counted().values())
    assert starts < chunks * 0.6
    assert f"of {chunks} tasks failed, {chunks * 2 // 100} tolerated" in job["errorMessage"]
    assert {task["state"] for task in tasks_of(counting.door, job)} == {
        *("TASK_STATE_COMPLETED", "TASK_STATE_FAILED", "TASK_STATE_ABORTED")
    }
    assert counting.counted() == Counter()


def test_a_job_that_finishes_first_has_tried_every_chunk_and_goes_on_from_there(counting: Counting) -> None:
    bad = [3, 17]
    counting.push(failing_on(bad))
    job = counting.run(30, "JOB_STATE_FAILED", config={"maxAttempts": 1, "onFailure": "finish"})
    assert counting.counted() == Counter(map(str, range(30)))
    assert "2 of 30 tasks failed" in job["errorMessage"]
    counting.push(WORKS, "0.2")
    counting.retry(job, app=f"{counting.app}@0.2")
    assert counting.counted() == Counter(map(str, bad))


def test_no_threshold_ends_a_job_while_a_further_attempt_is_to_come(counting: Counting) -> None:
    late = 'if [ $FANFOLD_ATTEMPT = 1 ] && [ $FANFOLD_CHUNK_INDEX -lt 4 ]; then echo "not yet"; exit 3; fi\necho "chunk'
    counting.push(WORKS.replace('echo "chunk', late))
    job = counting.run(8, config={"maxAttempts": 2, "maxFailedTasks": 1})
    assert not job["partial"]
    assert counting.counted() == Counter([*map(str, range(8)), *"0123"])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("tasks", [200, pytest.param(5000, marks=[pytest.mark.heavy, pytest.mark.timeout(900)])])
def test_four_kinds_of_failure_are_four_groups(counting: Counting, tasks: int) -> None:
    kinds = """n=$FANFOLD_CHUNK_INDEX
case $((n % 10)) in
  [0-3]) echo "ValueError: row $n of 'file-$n.csv' is bad"; exit 3;;
  [4-6]) echo "KeyError: \\"amount-$n\\""; exit 1;;
  [7-8]) echo "/data/$n/in.txt: no such file"; exit 2;;
  *) kill -9 $$;;
esac
"""
    counting.push(COUNTED + kinds)
    config = {"maxAttempts": 1, "onFailure": "finish"}
    job = counting.run(tasks, "JOB_STATE_FAILED", deadline_s=800, config=config)
    groups = failures_of(counting.door, job)
    assert [group["count"] for group in groups] == [tasks * share // 10 for share in (4, 3, 2, 1)]
    assert [group["firstTaskId"].rpartition("-")[2] for group in groups] != [""] * 4
    assert groups[3]["reason"] == "killed"
    assert sum(counting.counted().values()) == tasks


def test_names_of_chunks_are_told_wherever_a_chunk_is(people: People) -> None:
    labels = ["people.csv rows 1-2", "<b>[red]\x1b[2Jgone.csv row 3", "x" * 1000]
    cut = f"""#!/bin/sh
for n in 0 1 2; do echo $n > "$CHUNKS_DIR/data_$n.bin"; done
cat > "$CHUNKS_DIR/labels.json" <<'END'
{json.dumps(labels)}
END
"""
    door, name = people.developer, fresh("labelled")
    partitioner = push(door, f"{name}-cut", cut, "engine")
    app = push(door, name, '#!/bin/sh\n[ $FANFOLD_CHUNK_INDEX != 1 ] || exit 3\necho > "$TASK_RESULTS_DIR/x"\n')
    job = draft(door, app, partitioner=partitioner, assembler="concat", config={"maxAttempts": 1})
    run(door, job["id"])
    found = ended(door, job["id"], "JOB_STATE_FAILED")
    shown = ["people.csv rows 1-2", "<b>[red]?[2Jgone.csv row 3", "x" * 300]
    assert [task["label"] for task in tasks_of(door, job)] == shown
    assert f"chunk 1 ({shown[1]})" in found["errorMessage"]
    assert [group["firstLabel"] for group in failures_of(door, job)] == [shown[1]]


def test_labels_that_do_not_fit_the_chunks_fail_the_partitioning_in_words(people: People) -> None:
    door, name = people.developer, fresh("mislabelled")
    cut = '#!/bin/sh\necho > "$CHUNKS_DIR/data_0.bin"\necho \'["a", "b"]\' > "$CHUNKS_DIR/labels.json"\n'
    partitioner = push(door, f"{name}-cut", cut, "engine")
    job = draft(door, push(door, name), partitioner=partitioner)
    run(door, job["id"])
    ended(door, job["id"], "JOB_STATE_FAILED")
    assert "labels.json has 2 names for 1 chunks" in job_of(door, job["id"])["errorMessage"]
