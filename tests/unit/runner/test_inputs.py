"""What a program may do to its input without harm to anybody else's file."""

import os
from pathlib import Path

from fanfold.blobs.files import FileBlobs
from fanfold.effects import Effects
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from fanfold.ports.executor import Input, RunOrder
from fanfold.runner.staging import Staged, stage_in


def test_a_program_that_writes_into_its_input_leaves_the_users_file_alone(tmp_path: Path) -> None:
    original = tmp_path / "mine.txt"
    original.write_text("precious")
    reads = tmp_path / "in"
    reads.mkdir()
    order = RunOrder(
        attempt=AttemptKey(TaskKey("job", Role.PARTITIONER, 0), 1),
        number=1,
        folder=str(tmp_path),
        scratch="",
        package="",
        entrypoint="main.py",
        inputs=(Input("mine.txt", str(original)),),
    )
    assert stage_in(order, reads, Effects(), lambda: False, FileBlobs(Effects())) == Staged(1, len("precious"))
    with open(reads / "mine.txt", "r+b") as staged:
        staged.write(b"SPOILED!")
    assert original.read_text() == "precious"
    assert os.stat(original).st_nlink == 1
