"""The picture of a job's life is the table of its moves."""

import xml.etree.ElementTree as ET

from tools import lifecycle_diagram

from fanfold.jobs.lifecycle import MOVES
from fanfold.jobs.models import JobState


def test_the_committed_picture_is_what_the_table_gives() -> None:
    drawn = lifecycle_diagram.PICTURE.read_text(encoding="utf-8")
    assert drawn == lifecycle_diagram.picture(), "draw it again: tools/lifecycle_diagram.py"


def test_the_picture_shows_every_state_and_every_event() -> None:
    words = [node.text for node in ET.fromstring(lifecycle_diagram.picture()).iter("{http://www.w3.org/2000/svg}text")]
    assert {state.value.removeprefix("JOB_STATE_") for state in JobState} <= set(words)
    assert {event.__name__ for event in MOVES} <= set(words)
