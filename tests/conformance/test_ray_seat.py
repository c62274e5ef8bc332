"""A server that sees no node of its cluster, as in a container: it joins without cores, and leaves with its bridge."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from fanfold.errors import Broken
from fanfold.executors import ray_seat
from fanfold.executors.ray_cluster import TrialCluster, environment_of
from fanfold.executors.ray_seat import is_node, take_seat
from tests.pace import patience

pytestmark = [pytest.mark.needs("unshare", module="ray"), pytest.mark.timeout(300)]

WITHIN_S = patience(60.0)

ALONE = """
import json, os, sys, time
from pathlib import Path

import psutil

from fanfold.executors.ray_placing import RayPlace
from fanfold.jobs.models import Regions
from fanfold.jobs.needs import Need
from tests.conformance.test_executor import COPY, Bench

folder, address, token, name, within_s = sys.argv[1:]
place = RayPlace(address, name, token, serverless_s=120.0)


def living():
    found = psutil.process_iter(["name", "cmdline", "status"])  # leaves out what ends meanwhile
    return [one for one in found if one.info["status"] != psutil.STATUS_ZOMBIE]


def named(part):
    return [one for one in living() if part in one.info["cmdline"]]


def raylets():
    return [one for one in living() if one.info["name"] == "raylet"]


def until(true):
    give_up = time.monotonic() + float(within_s)
    while not true() and time.monotonic() < give_up:
        time.sleep(0.1)
    return true()


def hurt(processes):
    bench.heard.clear()
    for one in processes:
        one.kill()
    assert until(lambda: bench.executor.offer(Need()).slots == 0)
    assert until(lambda: bench.executor.offer(Need()).slots > 0)


begun = time.monotonic()
bench = Bench("ray", Path(folder), place=place)
said = {"sees": len(psutil.pids()), "found": [attempt.name for attempt in bench.executor.alive()]}
said["outcome"] = type(bench.outcome(COPY, index=1)).__name__
said["first_s"] = time.monotonic() - begun
said["slots"] = bench.executor.capacity().slots
said["lacking"] = bench.executor.offer(Need(regions=Regions(("mars",)))).lacking
said["raylets"] = len(raylets())
hurt(named("fanfold.executors.ray_bridge"))
said["again"] = type(bench.outcome(COPY, index=2)).__name__
said["one_seat"] = until(lambda: len(raylets()) == 1)
hurt(raylets())
said["without_its_node"] = type(bench.outcome(COPY, index=3)).__name__
bench.close()
said["left"] = until(lambda: not raylets() and not named("fanfold.executors.ray_seat"))
said["files"] = [path.name for path in Path(os.environ["TMPDIR"]).iterdir()]
print(json.dumps(said))
"""


ENDED = """
import json, os, subprocess, sys, time

import psutil

address, within_s = sys.argv[1], float(sys.argv[2])
TAKE = '''
import sys
from fanfold.executors.ray_seat import take_seat
print(take_seat(sys.argv[1]), flush=True)
sys.stdin.read()
'''
drivers = []


def living():
    found = psutil.process_iter(["name", "cmdline", "status"])  # leaves out what ends meanwhile
    return [one for one in found if one.info["status"] != psutil.STATUS_ZOMBIE]


def raylets():
    return [one.pid for one in living() if one.info["name"] == "raylet"]


def keepers():
    return [one for one in living() if "fanfold.executors.ray_seat" in one.info["cmdline"]]


def seats():
    return sorted(name for name in os.listdir(os.environ["TMPDIR"]) if name.startswith("ff-"))


def until(true):
    give_up = time.monotonic() + within_s
    while not true() and time.monotonic() < give_up:
        time.sleep(0.1)
    return true()


def take():
    command = [sys.executable, "-c", TAKE, address]
    drivers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    return os.path.basename(drivers[-1].stdout.readline().strip())


said = {}
take()
keepers()[0].terminate()
said["after_term"] = [drivers[-1].wait(), until(lambda: not raylets()), until(lambda: not seats())]
killed = take()
keepers()[0].kill()
said["after_kill"] = [drivers[-1].wait(), seats() == [killed]]
(orphan,) = raylets()
first = take()
said["next"] = [seats() == [first], len(raylets()), orphan in raylets()]
second = take()
said["beside"] = [seats() == sorted([first, second]), len(raylets()), len(keepers())]
for driver in drivers[-2:]:
    driver.stdin.close()
    driver.wait()
said["left"] = [until(lambda: not raylets() and not keepers()), until(lambda: not seats())]
print(json.dumps(said))
"""


NEXT = """
import sys
from pathlib import Path

from fanfold.jobs.blocks import Device
from fanfold.jobs.needs import Need
from fanfold.executors.ray_placing import RayPlace
from tests.conformance.test_executor import COPY, Bench
from tests.conformance.test_ray import earlier

folder, address, token, name = sys.argv[1:]
place = RayPlace(address, name, token, serverless_s=120.0)
script = f'echo $$ > "$TASK_RESULTS_DIR/../pid"; while [ ! -e {folder}/go ]; do sleep 0.05; done; {COPY}'
earlier(place, Path(folder), 120.0, script)
bench = Bench("ray", Path(folder), place=place)
bench.until(bench.executor.alive)
print(bench.executor.offer(Need(Device())), bench.executor.collect(), bench.executor.runners())
(attempt,) = bench.executor.alive()
(Path(folder) / "go").touch()
(outcome,) = bench.outcomes()
print(type(outcome).__name__, outcome.attempt == attempt)
bench.close()
"""


def alone(*arguments: str) -> list[str]:
    """What runs Python where none of this machine's processes are seen."""
    ways = [["unshare"], ["unshare", "--user", "--map-root-user"]]
    for way in ways:
        command = [*way, "--pid", "--fork", "--kill-child", "--mount-proc"]
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return [*command, sys.executable, *arguments]
    pytest.skip("this machine does not let us make a namespace of processes")


def said_alone(script: str, *arguments: str) -> str:
    """The last line that a script prints there; it leaves no files of its own."""
    # Not in pytest's folder: the paths of Ray's sockets may have 107 bytes.
    temporary = Path(tempfile.mkdtemp())
    try:
        ran = subprocess.run(
            alone("-c", script, *arguments),
            env={**os.environ, "TMPDIR": str(temporary)},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(temporary)
    assert ran.returncode == 0, ran.stdout[-1000:] + ran.stderr[-3000:]
    return ran.stdout.splitlines()[-1]


def of_a_bench(cluster: TrialCluster, folder: Path) -> list[str]:
    """What the scripts that run programs are given first."""
    return [str(folder), cluster.address, str(cluster.token_file), folder.name]


def test_a_machine_that_is_no_node_joins_runs_jobs_and_leaves(ray_cluster: TrialCluster, tmp_path: Path) -> None:
    said = json.loads(said_alone(ALONE, *of_a_bench(ray_cluster, tmp_path), str(WITHIN_S)))
    assert said.pop("sees") < 20
    assert said.pop("first_s") < WITHIN_S
    assert said == {
        "found": [],
        "outcome": "Succeeded",
        "slots": 2,
        "lacking": "a region that its job allows (only mars); runners are in eu, us",
        "raylets": 1,
        "again": "Succeeded",
        "one_seat": True,
        "without_its_node": "Succeeded",
        "left": True,
        "files": [],
    }


def test_a_keeper_that_is_ended_takes_its_node_along_and_one_that_is_killed_leaves_it_to_the_next(
    ray_cluster: TrialCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment_of(ray_cluster.token_file).items():
        monkeypatch.setenv(name, value)
    assert json.loads(said_alone(ENDED, ray_cluster.address, str(WITHIN_S))) == {
        "after_term": [1, True, True],
        "after_kill": [1, True],
        "next": [True, 1, False],
        "beside": [True, 2, 2],
        "left": [True, True],
    }


def test_what_ran_is_found_again_by_the_next_server_though_the_seat_was_lost(
    ray_cluster: TrialCluster, tmp_path: Path
) -> None:
    assert said_alone(NEXT, *of_a_bench(ray_cluster, tmp_path)) == "Succeeded True"


def test_a_node_of_this_machine_is_known_by_every_address_of_the_cluster(ray_cluster: TrialCluster) -> None:
    port = ray_cluster.address.rpartition(":")[2]
    assert is_node(f"127.0.0.1:{port}")
    assert is_node(f"localhost:{port}")
    assert is_node(f"{socket.gethostbyname(socket.gethostname())}:{port}")
    assert not is_node("127.0.0.1:1")
    assert not is_node(f"192.0.2.255:{port}")
    assert not is_node(f"no-such-host.invalid:{port}")
    assert take_seat(ray_cluster.address) is None


def test_a_head_that_nobody_runs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_seat, "REACH_S", 0.0)
    with pytest.raises(Broken, match=r"nobody answers there: .*refused"):
        take_seat("127.0.0.1:1")
    with pytest.raises(Broken, match="nobody answers there"):
        take_seat("127.0.0.1:port")
