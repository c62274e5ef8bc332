from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fanfold.client.sse import EventReader, ServerEvent

STREAM = (
    "id: 7\n\n"
    ": \n\n"
    'id: 8\nevent: job\ndata: {"name": "größer"}\n\n'
    'event: task\r\ndata: {"a":\ndata: 1}\r\n\r\n'
    "retry: 10\n\n"
    "data: [1]\n\n"
).encode()
EVENTS = [
    ServerEvent("job", {"name": "größer"}, "8"),
    ServerEvent("task", {"a": 1}, "8"),
    ServerEvent("message", [1], "8"),
]


@given(st.sets(st.integers(0, len(STREAM))))
def test_a_stream_is_read_alike_wherever_it_is_cut(cuts: set[int]) -> None:
    reader = EventReader()
    places = sorted(cuts | {0, len(STREAM)})
    assert [event for start, end in pairwise(places) for event in reader.feed(STREAM[start:end])] == EVENTS
    assert reader.last_id == "8"


def test_an_event_that_is_cut_off_is_not_given() -> None:
    reader = EventReader("6")
    assert list(reader.feed(b"id: 7\ndata: 1\n")) == []


def test_an_id_without_an_event_is_a_place_to_come_back_to() -> None:
    reader = EventReader()
    assert list(reader.feed(b"id: 7\n\n")) == []
    assert reader.last_id == "7"
