"""The start of a Ray executor, over bridges that only play their part."""

import sys
import time
from pathlib import Path

import pytest

from fanfold.clocks import SteadyClock
from fanfold.effects import Effects
from fanfold.executors import ray_link
from fanfold.executors.ray import CONNECT_S, RayExecutor
from fanfold.executors.ray_placing import RayPlace
from fanfold.jobs.blocks import Device
from fanfold.jobs.needs import Need
from fanfold.signals import ThreadSignal

pytestmark = pytest.mark.needs(module="ray")

NODE = {"id": "one", "resources": {"CPU": 2.0, "memory": 4 * 1024**3}, "labels": {}}
BRIDGE = """
import socket, sys, time
from pathlib import Path

from fanfold.executors.ray_frames import frame

channel, broken = socket.socket(fileno=int(sys.argv[2])), Path(sys.argv[1])
if len(broken.read_text()) < {broken}:
    broken.write_text(broken.read_text() + ".")
    channel.sendall(frame({{"is": "broken", "why": "no port was free"}}))
    sys.exit()
channel.sendall(frame({{"is": "found", "workers": []}}) + frame({{"is": "nodes", "nodes": [{node}]}}))
channel.recv(1)
time.sleep(600)
"""


@pytest.mark.parametrize(("broken", "trouble"), [(1, ""), (9, "no port was free")])
def test_a_start_waits_for_a_second_bridge_where_the_first_one_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int, trouble: str
) -> None:
    (tmp_path / "broken").touch()
    script = BRIDGE.format(broken=broken, node=NODE)
    monkeypatch.setattr(ray_link, "BRIDGE", (sys.executable, "-c", script, str(tmp_path / "broken")))
    monkeypatch.setattr(ray_link, "AGAIN_S", 0.1)
    begin = time.monotonic()
    executor = RayExecutor(0, Effects(), SteadyClock(), ThreadSignal(), place=RayPlace("127.0.0.1:1"))
    try:
        assert time.monotonic() - begin < CONNECT_S
        tried = len((tmp_path / "broken").read_text())
        assert tried >= 2 if trouble else tried == 1
        offer = executor.offer(Need(Device()))
        assert trouble in offer.lacking
        assert bool(offer.slots) is not bool(trouble)
    finally:
        executor.close(0.0)
