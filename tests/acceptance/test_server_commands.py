"""A server and its commands, typed as a person types them: `fanfold up` in one terminal, the rest in another."""

import json
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.command import FANFOLD, RECORDS, Desk, Ended, kill_tree

TEXT = "the cat and the dog\nthe end\n" * 700
COUNTS = dict(Counter(TEXT.split()))


class Served:
    """`fanfold up` in one terminal, and a desk with another."""

    def __init__(self, path: Path) -> None:
        self.desk = Desk(path)
        self.desk.environment |= {"HOME": str(path), "XDG_CONFIG_HOME": str(path / "config")}
        self.desk.write("text.txt", TEXT)
        self.place = path / "server"
        self.process = self.up()
        self.said = self.greeting()
        self.url = re.findall(r"http://[0-9.:]+", self.said)[0]
        self.key = re.findall(r"ff_\S+", self.said)[0]

    def up(self) -> subprocess.Popen[str]:
        return self.desk.start("up", "--port", 0, "--state", self.place, "--slots", 2, stderr=subprocess.DEVNULL)

    def greeting(self, last: str = "sign in with") -> str:
        """What it prints until it is ready."""
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if last in line:
                break
        return said

    def type(self, *words: object, **options: Any) -> Ended:
        return self.desk.type(*words, **options)

    def json(self, *words: object) -> Any:
        """What a command answers with --json."""
        ended = self.type(*words, "--json")
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    def starts(self) -> list[str]:
        """The starts that programs wrote down in their cache since it was last asked."""
        [place] = self.place.glob("caches/user/*/starts")
        found = place.read_text().split()
        place.write_text("")
        return found

    def down(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("served"))
    try:
        signed = subprocess.run(
            [FANFOLD, "login", made.url],
            input=f"{made.key}\n",
            capture_output=True,
            text=True,
            env=made.desk.environment,
            check=False,
        )
        assert signed.returncode == 0, signed.stderr
        yield made
        assert made.down() == 0
    finally:
        kill_tree(made.process)


def test_a_first_job_needs_nothing_but_a_file(served: Served) -> None:
    words = ("--template", "word-count", "--input", "text.txt", "--name", "the first", "--watch")
    ended = served.type("job", "run", *words)
    assert ended.code == 0, ended.err
    assert "complete" in ended.err.lower()
    found = served.json("job", "list", "--state", "complete", "--name", "the first")
    assert served.type("job", "download", found[0]["id"], "-o", "brought").code == 0
    [counts] = [place for place in (served.desk.path / "brought").iterdir() if place.name not in RECORDS]
    assert json.loads(counts.read_text()) == COUNTS


def test_a_job_is_made_filled_started_and_looked_at(served: Served) -> None:
    job = served.json("job", "create", "--template", "word-count", "--name", "by hand")["id"]
    assert served.json("job", "upload", job, "text.txt")["dataSource"]["dataSourceDescriptor"] == "file"
    assert served.json("job", "run", job, "--config", "maxAttempts=2")["state"] != "JOB_STATE_NEW"
    assert served.type("job", "watch", job).code == 0
    shown = served.json("job", "get", job)
    assert (shown["state"], shown["actualConfig"]["maxAttempts"]) == ("JOB_STATE_COMPLETE", 2)
    assert "by hand" in served.type("job", "list", "--name", "by hand").out
    tasks = served.json("job", "tasks", job)
    assert [task["state"] for task in tasks] == ["TASK_STATE_COMPLETED"] * 2
    assert served.type("job", "tasks", job, "--state", "completed").out.count("completed") == 2
    result, record = served.json("job", "results", job)
    assert result["size"] > 0
    assert record["name"] == "provenance.json"
    assert served.type("job", "logs", job).code == 0
    assert served.json("job", "failures", job) == []


def test_a_job_fails_tells_why_and_is_retried_with_a_mended_version(served: Served) -> None:
    served.desk.block("picky", "import os\nraise SystemExit(f'bad chunk {os.environ[\"FANFOLD_CHUNK_INDEX\"]}')")
    assert served.type("app", "push", "picky", "--activate").code == 0
    made = served.type("job", "run", "--app", "picky", "--input", "text.txt", "-c", "maxAttempts=1", "--watch")
    assert made.code == 1
    assert "bad chunk 0" in made.err
    job = served.json("job", "list", "--state", "failed")[0]["id"]
    [group] = served.json("job", "failures", job)
    assert (group["reason"], group["message"], group["count"]) == ("exit_code", "bad chunk 0", 1)
    assert "bad chunk 0" in served.type("job", "failures", job).out
    assert "bad chunk 0" in served.type("job", "logs", job, "--level", "UNKNOWN").out
    for some in (
        ("--query", "CHUNK 0"),
        ("--task", group["firstTaskId"], "--service", "app"),
        ("-f", "--query", "chunk 0"),
    ):
        assert served.type("job", "logs", job, *some).out.count("\n") == 1
    assert served.type("job", "logs", job, "-f", "--level", "error").out == ""
    copy = "import os, shutil\nshutil.copy(os.environ['TASK_DIR'] + '/data.bin', os.environ['TASK_RESULTS_DIR'] + '/c')"
    served.desk.block("picky", copy, version="0.2")
    assert served.type("app", "push", "picky", "--activate").code == 0
    again = served.type("job", "retry", job, "--failure", group["id"], "--app", "picky@0.2")
    assert "round 2" in again.out
    assert served.type("job", "watch", job).code == 0


COUNTED = """
import os
chunk = os.environ.get("FANFOLD_CHUNK_INDEX", "merge")
open(os.environ["USER_CACHE_DIR"] + "/starts", "a").write(chunk + "\\n")
"""
BAD = (3, 20, 41, 77, 120, 150, 199)


@pytest.mark.timeout(180)
def test_a_retry_starts_exactly_what_failed(served: Served) -> None:
    made = "open(os.environ['TASK_RESULTS_DIR'] + '/o', 'w').write(f'chunk {chunk}\\n')\n"
    served.desk.block("seven", f"{COUNTED}assert int(chunk) not in {BAD}\n{made}")
    assert served.type("app", "push", "seven", "--activate").code == 0
    wanted = ["-p", "partitioner.num_replicas=200", "--partitioner", "replicate"]
    config = ["-c", "maxAttempts=1", "-c", "onFailure=finish"]
    common = ["--assembler", "concat", "--source", "bypass", *wanted, *config, "--watch"]
    assert served.type("job", "run", "--app", "seven@0.1", *common).code == 1
    assert Counter(served.starts()) == Counter(map(str, range(200)))
    job = served.json("job", "list", "--state", "failed", "--limit", 1)[0]["id"]
    served.desk.block("seven", COUNTED + made, version="0.2")
    assert served.type("app", "push", "seven", "--activate").code == 0
    assert served.type("job", "retry", job, "--app", "seven@0.2").code == 0
    assert served.type("job", "watch", job).code == 0
    assert Counter(served.starts()) == Counter(map(str, BAD))
    assert served.type("job", "download", job, "-o", "retried").code == 0
    [retried] = [place for place in (served.desk.path / "retried").iterdir() if place.name not in RECORDS]
    assert retried.read_bytes() == b"".join(b"chunk %d\n" % index for index in range(200))
    rows = json.loads((served.desk.path / "retried" / "provenance.json").read_text())["chunks"]
    assert [row["chunk"] for row in rows if row["block"].startswith("seven@0.2")] == [*BAD]


def test_a_changed_assembler_alone_starts_no_chunk(served: Served) -> None:
    served.desk.block("counts", COUNTED + "open(os.environ['TASK_RESULTS_DIR'] + '/o', 'w').write(chunk)\n")
    served.desk.block("folds", "raise SystemExit('not yet')", type="assembler")
    assert served.type("app", "push", "counts", "--activate").code == 0
    assert served.type("engine", "push", "folds", "--activate").code == 0
    wanted = ["-p", "partitioner.num_replicas=9", "--partitioner", "replicate"]
    common = ["--assembler", "folds@0.1", "--source", "bypass", *wanted, "-c", "maxAttempts=1", "--watch"]
    assert served.type("job", "run", "--app", "counts", *common).code == 1
    assert len(served.starts()) == 9
    job = served.json("job", "list", "--state", "failed", "--limit", 1)[0]["id"]
    join = COUNTED + "names = os.listdir(os.environ['RESULTS_DIR'])\n"
    join += "open(os.environ['OUTPUT_DIR'] + '/n', 'w').write(str(len(names)))\n"
    served.desk.block("folds", join, type="assembler", version="0.2")
    assert served.type("engine", "push", "folds", "--activate").code == 0
    assert served.type("job", "retry", job, "--merge-only", "--assembler", "folds@0.2").code == 0
    assert served.type("job", "watch", job).code == 0
    assert served.starts() == ["merge"]
    assert served.type("job", "download", job, "-o", "merged").code == 0
    assert (served.desk.path / "merged" / "n").read_text() == "9"


def test_a_job_is_aborted_and_deleted(served: Served) -> None:
    served.desk.block("slow", "import time\ntime.sleep(600)")
    assert served.type("app", "push", "slow", "--activate").code == 0
    job = served.json("job", "run", "--app", "slow", "--input", "text.txt")["id"]
    assert served.type("job", "abort", job).code == 0
    shown = served.json("job", "get", job)
    assert (shown["state"], shown["errorMessage"]) == ("JOB_STATE_FAILED", "aborted by admin")
    assert served.type("job", "delete", job, "--yes").code == 0
    assert f"there is no job '{job}'" in served.type("job", "get", job).error


def test_blocks_and_templates_are_looked_after(served: Served) -> None:
    folder = served.desk.block("kept", "print('kept')")
    assert served.type("app", "push", folder).code == 0
    assert served.json("app", "get", "kept")["status"] == "inactive"
    assert served.type("app", "activate", "kept").code == 0
    assert "active" in served.type("app", "status", "kept").out
    assert "kept" in served.type("app", "list").out
    assert served.type("app", "pull", "kept@0.1", "--in", "pulled").code == 0
    assert (served.desk.path / "pulled" / "kept" / "app" / "main.py").read_text() == "print('kept')"
    assert served.type("app", "deactivate", "kept").code == 0
    assert served.type("app", "delete", "kept@0.1", "--yes").code == 0
    assert "there is no app 'kept'" in served.type("app", "get", "kept").error
    assert "split-lines" in served.type("engine", "list", "--public").out
    assert served.json("template", "get", "word-count")["app"] == "word-count@0"


def test_keys_are_made_shown_once_and_revoked(served: Served) -> None:
    made = served.json("key", "create", "for tests", "--days", "1")
    assert made["key"].startswith("ff_")
    assert made["key"] not in served.type("key", "list").out
    named = [key for key in served.json("key", "list") if key["name"] == "for tests"]
    assert served.type("key", "revoke", named[0]["id"]).code == 0
    refused = served.type("job", "list", env={**served.desk.environment, "FANFOLD_API_KEY": made["key"]})
    assert refused.code == 2
    assert "key" in refused.error


def test_what_is_not_there_is_told_with_a_way_on(served: Served) -> None:
    for words in (("job", "get", "nothing"), ("template", "get", "nothing"), ("app", "get", "nothing")):
        ended = served.type(*words)
        assert ended.code == 2
        assert "nothing" in ended.error
    assert "there is no file 'no.txt'" in served.type("job", "run", "-t", "word-count", "--input", "no.txt").error


def test_a_second_server_on_the_same_state_is_refused(served: Served) -> None:
    ended = served.type("up", "--port", 0, "--state", served.place)
    assert ended.code != 0
    assert "is in use by another process" in ended.error


def test_a_key_is_printed_once_and_a_restart_keeps_everything(tmp_path: Path) -> None:
    first = Served(tmp_path)
    try:
        assert first.down() == 0
        first.process = first.up()
        again = first.greeting("serves at")
        assert "ff_" not in again
        assert first.down() == 0
    finally:
        kill_tree(first.process)
