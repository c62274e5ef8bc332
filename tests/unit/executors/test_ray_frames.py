"""What Ray says, in words."""

from fanfold.executors.ray_frames import WORDS, in_words

IN_CODE = """The actor died because of an error raised in its creation task, ray::a-0:Worker.__init__() (pid=1)
  File "/opt/fanfold/node.py", line 48, in __init__
    walled = _can_wall(config["isolation"])
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/fanfold/node.py", line 135, in _can_wall
    raise MissingPart(
"""


def test_of_an_error_in_a_worker_its_own_words_are_told() -> None:
    own = "fanfold.errors.MissingPart: programs must be isolated: bubblewrap is not installed"
    assert in_words(RuntimeError(IN_CODE + own)) == "programs must be isolated: bubblewrap is not installed"
    assert in_words(RuntimeError(f"{IN_CODE}KeyError: 'gpus'")) == "KeyError: 'gpus'"


def test_other_errors_are_told_by_their_kind_in_one_line() -> None:
    assert in_words(TimeoutError("no answer\n\tafter 4 s")) == "TimeoutError: no answer after 4 s"
    assert len(in_words(ValueError("x" * 1000))) == len("ValueError: ") + WORDS
