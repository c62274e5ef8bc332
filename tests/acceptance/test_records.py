"""What is told beside an output: provenance always, the failed chunks where some are missing."""

import hashlib
import json
from typing import Any

from tests.acceptance.command import COPY, Desk, only

SPLIT = ("--partitioner", "split-lines", "-p", "partitioner.lines=10", "--assembler", "concat")
FAILS = """
if os.environ["FANFOLD_CHUNK_INDEX"] == "3":
    print("x" * 900)
    raise ValueError("no third")
"""
BAD_THIRD = COPY.replace("import os, shutil\n", "import os, shutil" + FAILS)


def provenance_of(desk: Desk) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(desk.output()["provenance.json"])
    return told


def test_every_chunk_is_told_with_its_range_its_program_and_the_digest_of_its_result(desk: Desk) -> None:
    desk.write("copy.py", COPY)
    text = (desk.path / "input.txt").read_bytes()
    assert desk.run("input.txt", "--app", "copy.py", *SPLIT).code == 0
    told = provenance_of(desk)
    assert (told["numChunks"], told["partial"], told["source"]) == (10, False, "local")
    assert told["programs"]["partitioner"]["block"].startswith("split-lines@")
    assert told["programs"]["app"]["environment"]
    assert [row["chunk"] for row in told["chunks"]] == list(range(10))
    for row in told["chunks"]:
        source, result = row["source"], row["result"]
        chunk = text[source["offset"] : source["offset"] + source["length"]]
        digest = hashlib.sha256(chunk).hexdigest()
        assert (source["file"], row["attempt"], row["block"]) == ("input.txt", 1, told["programs"]["app"]["block"])
        assert result["files"] == [{"name": "copy.txt", "sizeBytes": len(chunk), "sha256": digest}]
        assert result["sha256"] == hashlib.sha256(f"{digest}  copy.txt\n".encode()).hexdigest()
        assert row["runner"]
    assert "failed.jsonl" not in desk.output()


def test_ranges_name_the_file_of_many(desk: Desk) -> None:
    desk.write("copy.py", COPY)
    for name in "abc":
        desk.write(f"in/{name}.txt", f"{name}\n" * 20)
    assert desk.run("in", "--app", "copy.py", *SPLIT).code == 0
    sources = [(row["source"]["file"], row["source"]["offset"]) for row in provenance_of(desk)["chunks"]]
    assert sources == [(f"{name}.txt", offset) for name in "abc" for offset in (0, 20)]


def test_a_partial_output_tells_what_failed_and_with_which_last_words(desk: Desk) -> None:
    desk.write("bad.py", BAD_THIRD)
    ended = desk.type("run", "input.txt", "--app", "bad.py", *SPLIT, "--max-failed", "1", "--max-attempts", 2)
    assert ended.code == 4, ended.err
    assert "what failed is in out/failed.jsonl" in ended.err
    [line] = desk.output()["failed.jsonl"].splitlines()
    told = json.loads(line)
    assert (told["chunk"], told["attempts"], told["reason"], told["exitCode"]) == (3, 2, "exit_code", 1)
    assert (told["source"]["file"], told["label"]) == ("input.txt", "input.txt lines 31-40")
    assert "ValueError: no third" in told["lines"][-1]
    assert max(map(len, told["lines"])) == 500
    rows = provenance_of(desk)["chunks"]
    assert [row["chunk"] for row in rows if row["result"] is None] == [3]
    assert b"line 30" not in only(desk.output())


def test_a_file_or_folder_of_that_name_that_the_assembler_made_wins_with_a_warning(desk: Desk) -> None:
    desk.write("bad.py", BAD_THIRD)
    desk.write(
        "mine.py",
        """
import os
open(os.environ["OUTPUT_DIR"] + "/provenance.json", "w").write("mine")
os.mkdir(os.environ["OUTPUT_DIR"] + "/failed.jsonl")
open(os.environ["OUTPUT_DIR"] + "/failed.jsonl/x", "w").write("mine too")
""",
    )
    ended = desk.run("input.txt", "--app", "bad.py", *SPLIT[:-1], "mine.py", "--max-failed", "1")
    assert ended.code == 4, ended.err
    files = {name: content for name, content in desk.output().items() if not name.startswith(".")}
    assert files == {"provenance.json": b"mine", "failed.jsonl/x": b"mine too"}
    for name in ("provenance.json", "failed.jsonl"):
        assert f"warning: the assembler wrote '{name}' itself" in ended.err


def test_an_assembler_reads_which_chunks_are_missing(desk: Desk) -> None:
    desk.write("bad.py", BAD_THIRD)
    desk.write(
        "missing.py",
        """
import json, os
index = json.load(open(os.environ["FANFOLD_RESULTS_INDEX"]))
there = [file["chunk"] for file in index["files"]]
json.dump([index["failed"], there], open(os.environ["OUTPUT_DIR"] + "/told.json", "w"))
""",
    )
    ended = desk.run("input.txt", "--app", "bad.py", *SPLIT[:-1], "missing.py", "--max-failed", "10%")
    assert ended.code == 4, ended.err
    told = json.loads(desk.output()["told.json"])
    assert told == [[{"chunk": 3, "label": "input.txt lines 31-40"}], [0, 1, 2, 4, 5, 6, 7, 8, 9]]
