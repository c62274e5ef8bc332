"""A job's work runs in the regions that it allows: partitioner, tasks and assembler."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.compat.scene import draft, ended, job_of, push, run
from tests.compat.server import Door, Server, json_of, until

GPU = {"device_requirements": {"gpu": ["NVIDIA A100-SXM4-40GB"]}}

SLEEPS_S = 0.5
SLEEPS = f'#!/bin/sh\nsleep {SLEEPS_S}\necho slept > "$TASK_RESULTS_DIR/out.txt"\n'

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Of a server in the region eu."""
    server = Server(tmp_path_factory.mktemp("eu"), slots=2, isolation="off", region="eu").start()
    with server.door() as door:
        yield door
    assert server.stop() == 0


def test_a_job_runs_where_its_regions_allow_it(door: Door) -> None:
    job = draft(door, push(door, "here"), regions={"whitelist": ["asia", "EU"], "blacklist": ["us"]})
    run(door, job["id"])
    ended(door, job["id"], deadline_s=90)
    tasks: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/tasks"))
    assert tasks["data"][0]["region"] == "eu"


@pytest.mark.parametrize(
    ("regions", "told"),
    [
        ({"whitelist": ["us", "asia"]}, "needs a region that its job allows (only us, asia); runners are in eu"),
        ({"blacklist": ["Eu"]}, "needs a region that its job allows (not Eu); runners are in eu"),
    ],
)
def test_a_job_whose_regions_have_no_runner_waits_and_says_so(door: Door, regions: Any, told: str) -> None:
    job = draft(door, push(door, "elsewhere"), regions=regions)
    run(door, job["id"])
    until("it says what it waits for", lambda: told in (job_of(door, job["id"])["waitingReason"] or ""))
    assert job_of(door, job["id"])["state"] == "JOB_STATE_STARTED"


def test_a_block_that_needs_a_gpu_waits_for_one(door: Door) -> None:
    job = draft(door, push(door, "trained", **GPU))
    run(door, job["id"])
    told = "needs a GPU (NVIDIA A100-SXM4-40GB); runners have none"
    until("it says what it waits for", lambda: told in (job_of(door, job["id"])["waitingReason"] or ""))


def test_a_task_pays_the_price_of_the_region_in_which_it_ran(door: Door) -> None:
    rates = {"": 1000, "us": 500_000, "eu": 7000}
    made: list[Any] = [
        json_of(door.post("/v1/wallet/prices", json={"rate": rate, "region": region}))["price"]
        for region, rate in rates.items()
    ]
    try:
        job = draft(door, push(door, "priced", SLEEPS))
        run(door, job["id"])
        ended(door, job["id"], deadline_s=90)
    finally:
        for price in made:
            json_of(door.post(f"/v1/wallet/prices/{price['id']}/end"))
    tasks: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/tasks"))
    task = tasks["data"][0]
    assert task["region"] == "eu"
    chip_s = rates["eu"] / 3600
    assert 0.99 * SLEEPS_S * chip_s <= task["price"] <= 1.01 * task["duration"] * chip_s
