"""Signing, and when a message is tried again."""

from datetime import UTC, datetime, timedelta

from fanfold.jobs.webhooks import ENDS, EVENT_NAMES, WAITS_S, secret_text, signed_headers, try_again_at
from tests.values import EVENTS, NOON


def test_the_signature_is_that_of_the_standards_own_example() -> None:
    at = datetime.fromtimestamp(1731705121, UTC)
    body = b'{"event_type":"ping","data":{"success":true}}'
    headers = signed_headers("whsec_plJ3nmyCDGBKInavdOK15jsl", "msg_loFOjxBNrRLzqYUf", at, body)
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
    assert headers["webhook-timestamp"] == "1731705121"


def test_a_secret_is_text_that_libraries_take() -> None:
    assert secret_text(bytes(24)) == "whsec_" + "A" * 32


def test_waits_grow_and_end_within_a_day_and_a_half() -> None:
    waits = [at - NOON for count in range(1, 99) if (at := try_again_at(count, NOON)) is not None]
    assert waits == sorted(waits)
    assert len(waits) == len(WAITS_S)
    assert timedelta(hours=12) < sum(waits, timedelta()) < timedelta(hours=36)


def test_a_webhook_may_name_every_event_of_jobs() -> None:
    assert {"Created", *(type(event).__name__ for event in EVENTS)} == set(EVENT_NAMES)
    assert set(ENDS) <= set(EVENT_NAMES)
