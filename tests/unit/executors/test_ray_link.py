"""The executor's side of its bridge, where the process at the other end does nothing."""

import sys
from collections.abc import Iterator

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.executors import ray_link
from fanfold.executors.ray_link import Link
from fanfold.executors.ray_placing import RayPlace

MORE_THAN_A_SOCKET_HOLDS = 32 << 20


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Iterator[Link]:
    monkeypatch.setattr(ray_link, "BRIDGE", (sys.executable, "-c", "import time; time.sleep(600)"))
    made = Link(Effects(), SteadyClock(), RayPlace())
    made.open()
    yield made
    made.close()


def test_a_bridge_that_takes_nothing_keeps_nobody_waiting_and_is_replaced_at_once(link: Link) -> None:
    assert not link.is_late()
    link.say({"do": "tell", "worker": "one"}, bytes(MORE_THAN_A_SOCKET_HOLDS))
    assert link.is_late()
    link.close()
    assert link.is_due()


def test_a_bridge_that_ends_by_itself_is_not_replaced_at_once(link: Link) -> None:
    link.close()
    assert not link.is_open()
    assert not link.is_due()
