"""The Ray executor is closed while its workers come and go."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from fanfold.executors.ray import RayExecutor
from fanfold.executors.ray_placing import RayPlace
from fanfold.jobs.models import AttemptKey, Role, TaskKey
from tests.conformance.test_executor import Bench

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.timeout(120)]


@pytest.fixture
def often_switched() -> Iterator[None]:
    """Threads take turns at almost every step."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("often_switched")
def test_a_close_counts_what_workers_hold_while_these_come_and_go(tmp_path: Path) -> None:
    bench = Bench("ray", tmp_path, place=RayPlace("127.0.0.1:1", tmp_path.name, stands_by=True))
    executor, ended = cast(RayExecutor, bench.executor), threading.Event()
    crew = executor._crew
    for number in range(1000):
        crew.add(str(number), None, 1)
    crew.add("busy", None, 1).give(AttemptKey(TaskKey("job", Role.APP, 0), 1), 0.0)

    def come_and_go() -> None:
        while not ended.is_set():
            with executor._lock:
                crew.remove(crew.add("another", None, 1))

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        bench.close(drain_s=1.0)
    finally:
        ended.set()
        thread.join()
