"""`fanfold run` over a part of the chunks, or over some before all."""

from fanfold.jobs.models import JobState
from tests.acceptance.command import COPY, Desk, stage_before_failure

EACH_LINE = (
    "--partitioner",
    "split-lines",
    "-p",
    "partitioner.lines=1",
    "--assembler",
    "concat",
    "-p",
    "assembler.output=all.txt",
)
NUMBERS = "".join(f"{number}\n" for number in range(50))


def test_a_sample_is_some_lines_in_order_and_the_same_for_the_same_seed(desk: Desk) -> None:
    desk.write("copy.py", COPY)
    desk.write("numbers.txt", NUMBERS)
    outputs = []
    for seed in ("3", "3", "4"):
        ended = desk.run("numbers.txt", "--app", "copy.py", *EACH_LINE, "--sample", "5", "--seed", seed, "--force")
        assert ended.code == 0, ended.err
        assert f"5 of 50 chunks, chosen with seed {seed}" in " ".join(ended.err.split())
        outputs.append(desk.output()["all.txt"].split())
    assert outputs[0] == outputs[1] != outputs[2]
    assert outputs[0] == sorted(set(outputs[0]), key=int)
    assert len(outputs[0]) == 5


def test_a_canary_that_fails_ends_the_run(desk: Desk) -> None:
    desk.write(
        "fail.py",
        "import os\nopen(os.environ['FANFOLD_USER_CACHE_DIR'] + '/starts', 'a').write('x')\nraise SystemExit(3)\n",
    )
    desk.write("numbers.txt", NUMBERS)
    ended = desk.run("numbers.txt", "--app", "fail.py", *EACH_LINE, "--canary", "2")
    assert ended.code == 1
    job = desk.job()
    assert (stage_before_failure(job), job.failure_reason) == (JobState.PARTITIONED, "canary")
    assert "2 of the 2 chunks that ran first failed" in " ".join(ended.err.split())
