"""What a server and its runners say to each other arrives as it was said."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.jobs.models import AttemptKey
from fanfold.jobs.task_lifecycle import Outcome
from fanfold.ports.executor import RunOrder, Told
from fanfold.runner import messages
from tests import strategies


def heard(message: messages.Message) -> messages.Message:
    """A message after its way over the socket."""
    (found,), rest = messages.split_lines(messages.line(message))
    assert rest == b""
    return found


@settings(max_examples=60, deadline=None)
@given(strategies.orders)
def test_an_order_arrives_whole(order: RunOrder) -> None:
    assert messages.order_of(heard(messages.order_json(order))) == order


@settings(max_examples=60, deadline=None)
@given(strategies.outcomes)
def test_an_outcome_arrives_as_the_same_kind_with_all_it_says(outcome: Outcome) -> None:
    arrived = messages.outcome_of(heard(messages.outcome_json(outcome)))
    assert type(arrived) is type(outcome)
    assert arrived == outcome


@given(strategies.tellings)
def test_news_of_a_start_arrives(told: Told) -> None:
    assert messages.told_of(heard(messages.told_json(told))) == told


@given(strategies.attempt_keys)
def test_an_attempt_is_named_the_same_on_both_sides(key: AttemptKey) -> None:
    assert messages.attempt_of(messages.attempt_json(key)) == key


@given(st.lists(st.dictionaries(st.sampled_from(["do", "is"]), strategies.texts, min_size=1), max_size=4), st.data())
def test_messages_come_whole_however_the_socket_cuts_them(sent: list[messages.Message], data: st.DataObject) -> None:
    stream = b"".join(messages.line(message) for message in sent)
    received, buffer = [], b""
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found, buffer = messages.split_lines(buffer + stream[:size])
        received += found
        stream = stream[size:]
    assert (received, buffer) == (sent, b"")
