"""Who tells webhooks goes on whatever broke."""

import threading
from typing import Any

from fanfold.clocks import SteadyClock
from fanfold.events.webhooks import Courier
from fanfold.signals import ThreadSignal
from tests.pace import patience


class BrokenAtFirst:
    """A store whose first list breaks in a way that nobody foresaw."""

    def __init__(self) -> None:
        self.looks = 0
        self.looked_again = threading.Event()

    def listed(self) -> list[Any]:
        self.looks += 1
        if self.looks == 1:
            raise LookupError("a defect")
        self.looked_again.set()
        return []


def test_a_look_that_breaks_is_not_the_last() -> None:
    store: Any = BrokenAtFirst()
    courier = Courier(store, lambda: 0, lambda _event: b"", lambda *_: 200, SteadyClock(), ThreadSignal())
    courier.start()
    try:
        courier.changed()
        assert store.looked_again.wait(patience(15.0))
    finally:
        courier.close()
