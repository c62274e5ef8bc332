"""What every store promises about webhooks: nothing is queued twice, what is due is found, an answer that comes late
changes nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fanfold.errors import Conflict, NotFound
from fanfold.jobs.models import JobState
from fanfold.ports.access import AuditEntry
from fanfold.ports.store import EventRecord
from fanfold.ports.webhooks import DeliveryState, Told, Webhook
from fanfold.stores.sql import SqlStore
from fanfold.stores.webhooks import SqlWebhooks
from tests.conformance.scenes import brought_to
from tests.values import NOON, after

ENTRY = AuditEntry(NOON, "ann", "ann", "", "webhook.create", "hook", {})
HOOK = Webhook("hook", "ann", "https://example.com/x", ("Delivered", "Failed"), NOON, 0)
DAY = timedelta(days=1)


@pytest.fixture
def webhooks(store: SqlStore) -> SqlWebhooks:
    found = SqlWebhooks(store.database)
    found.add(HOOK, 3, ENTRY)
    return found


def told_of(store: SqlStore, webhooks: SqlWebhooks, *jobs: str) -> list[EventRecord]:
    """Deliveries for the ends of these jobs, which are due."""
    for job_id in jobs:
        brought_to(store, JobState.COMPLETE, job_id, 1)
    found = webhooks.events(HOOK, 0, 99)
    assert webhooks.queue(HOOK, found, found[-1].seq, NOON)
    return found


def test_a_webhook_is_told_the_events_it_names_and_none_of_tasks(store: SqlStore, webhooks: SqlWebhooks) -> None:
    brought_to(store, JobState.COMPLETE)
    assert [event.name for event in webhooks.events(HOOK, 0, 99)] == ["Delivered"]
    everything = webhooks.events(replace(HOOK, events=("*",)), 0, 99)
    assert [event.name for event in everything] == [event.name for event in store.events(0, 99) if not event.task]
    assert webhooks.events(replace(HOOK, account_id="bob", events=("*",)), 0, 99) == []
    assert webhooks.events(HOOK, store.last_event(), 99) == []


def test_an_event_is_queued_once(store: SqlStore, webhooks: SqlWebhooks) -> None:
    found = told_of(store, webhooks, "one")
    assert not webhooks.queue(HOOK, found, found[-1].seq, NOON)
    assert [item.event for item in webhooks.deliveries("hook", 9)] == found
    assert webhooks.listed() == webhooks.listed("ann") == [replace(HOOK, position=found[-1].seq)]
    assert webhooks.listed("bob") == []


def test_of_every_webhook_the_oldest_due_delivery_is_found(store: SqlStore, webhooks: SqlWebhooks) -> None:
    first, second = told_of(store, webhooks, "one", "two")
    (due,) = webhooks.due(NOON, 9)
    assert (due.event, due.state, due.attempts) == (first, DeliveryState.PENDING, 0)
    assert webhooks.settle(due, Told(DeliveryState.PENDING, after(1), 500, "busy", after(60)))
    (due,) = webhooks.due(after(2), 9)
    assert due.event == second
    assert webhooks.settle(due, Told(DeliveryState.DELIVERED, after(3), 204))
    assert webhooks.due(after(59), 9) == []
    assert webhooks.next_due() == after(60)
    assert webhooks.pending("hook") == 1
    (due,) = webhooks.due(after(60), 9)
    assert (due.event, due.attempts, due.status, due.error) == (first, 1, 500, "busy")


def test_an_answer_is_written_once_and_not_over_a_replay(store: SqlStore, webhooks: SqlWebhooks) -> None:
    told_of(store, webhooks, "one")
    (due,) = webhooks.due(NOON, 9)
    assert webhooks.settle(due, Told(DeliveryState.FAILED, after(1), 400, "no"))
    assert not webhooks.settle(due, Told(DeliveryState.DELIVERED, after(2), 200))
    assert webhooks.replay(HOOK, None, after(3), ENTRY) == 1
    assert webhooks.replay(HOOK, None, after(3), ENTRY) == 0
    assert not webhooks.settle(due, Told(DeliveryState.DELIVERED, after(4), 200))
    (again,) = webhooks.due(after(5), 9)
    assert (again.state, again.attempts, again.message_id) == (DeliveryState.PENDING, 0, due.message_id)


def test_a_replay_is_of_what_was_named_and_has_ended(store: SqlStore, webhooks: SqlWebhooks) -> None:
    first, second = told_of(store, webhooks, "one", "two")
    for at in (1, 2):
        (due,) = webhooks.due(after(at), 9)
        assert webhooks.settle(due, Told(DeliveryState.DELIVERED, after(at), 200))
    assert webhooks.replay(HOOK, None, after(3), ENTRY) == 0
    assert webhooks.replay(HOOK, [second.seq, 10**9], after(3), ENTRY) == 1
    assert [item.event for item in webhooks.due(after(3), 9)] == [second]
    assert [item.event for item in webhooks.deliveries("hook", 9, state=DeliveryState.DELIVERED)] == [first]
    assert [item.event for item in webhooks.deliveries("hook", 9, second.seq)] == [first]


def test_a_webhook_that_is_off_has_nothing_due_until_a_replay(store: SqlStore, webhooks: SqlWebhooks) -> None:
    told_of(store, webhooks, "one", "two")
    (due,) = webhooks.due(NOON, 9)
    assert webhooks.settle(due, Told(DeliveryState.FAILED, after(1), 410, "gone", off="gone"))
    assert [hook.off for hook in webhooks.listed("ann")] == ["gone"]
    assert webhooks.due(after(9), 9) == []
    assert webhooks.next_due() is None
    webhooks.replay(HOOK, None, after(9), ENTRY)
    assert [hook.off for hook in webhooks.listed("ann")] == [""]
    assert [item.event for item in webhooks.due(after(9), 9)] == [due.event]


def test_what_ended_long_ago_is_forgotten_and_what_is_pending_is_kept(store: SqlStore, webhooks: SqlWebhooks) -> None:
    _, second = told_of(store, webhooks, "one", "two")
    (due,) = webhooks.due(NOON, 9)
    webhooks.settle(due, Told(DeliveryState.DELIVERED, after(1), 200))
    webhooks.forget(NOON + DAY)
    assert [item.event for item in webhooks.deliveries("hook", 9)] == [second]


def test_a_deleted_webhook_takes_its_deliveries_with_it(store: SqlStore, webhooks: SqlWebhooks) -> None:
    told_of(store, webhooks, "one")
    with pytest.raises(NotFound):
        webhooks.delete("bob", "hook", ENTRY)
    webhooks.delete("ann", "hook", ENTRY)
    assert webhooks.find("ann", "hook") is None
    assert webhooks.deliveries("hook", 9) == webhooks.due(NOON, 9) == []
    with pytest.raises(NotFound):
        webhooks.delete("ann", "hook", ENTRY)


def test_an_account_has_so_many_and_no_more(webhooks: SqlWebhooks) -> None:
    for number in range(2):
        webhooks.add(replace(HOOK, id=f"hook-{number}"), 3, ENTRY)
    with pytest.raises(Conflict):
        webhooks.add(replace(HOOK, id="one-more"), 3, ENTRY)
    webhooks.add(replace(HOOK, id="bobs", account_id="bob"), 3, ENTRY)
