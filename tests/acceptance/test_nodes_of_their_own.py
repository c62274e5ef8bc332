"""Blocks that require packages, on a real Ray node that sees no folder of the server's: it makes what they need."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fanfold.executors.ray_cluster import TrialCluster
from tests.compat.scene import archive_of, draft, ended, run
from tests.compat.server import Door, Server, json_of, until
from tests.conformance.s3_server import KEYS, s3_server
from tests.pace import patience
from tests.wheels import make_wheel

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.needs(module="uv"), pytest.mark.timeout(240)]

LEFT = "scratch/server/worker-0.999999999/account/job.app-0.1"
WITHIN_S = patience(90.0)
GREET = """import os, sys, greeting
open(os.environ["TASK_RESULTS_DIR"] + "/said.txt", "w").write(f"{greeting.WORD} {sys.prefix}\\n")
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that nodes work in, in which one that was killed has left something."""
    made = tmp_path_factory.mktemp("node")
    (made / LEFT).mkdir(parents=True)
    return made


@pytest.fixture(scope="module")
def door(ray_cluster: TrialCluster, tmp_path_factory: pytest.TempPathFactory, node: Path) -> Iterator[Door]:
    """Of a server whose job data is in a bucket and whose programs run on that cluster."""
    folder = tmp_path_factory.mktemp("own-nodes")
    make_wheel(folder / "wheels", "greeting", "1.0", {"greeting.py": "WORD = 'hello'\n"})
    with s3_server(folder) as store:
        store.bucket("jobs")
        server = Server(
            folder / "server",
            executor="ray",
            ray_address=ray_cluster.address,
            ray_token_file=ray_cluster.token_file,
            ray_namespace=folder.name,
            ray_node_folder=node,
            storage="s3://jobs/here",
            storage_endpoint=store.url,
            storage_access_key=KEYS[0],
            storage_secret_key=KEYS[1],
            isolation="off",
            package_index="none",
            package_folders=folder / "wheels",
        ).start()
        try:
            with server.door() as made:
                yield made
        finally:
            assert server.stop() == 0
            for closed in (path for top in (node, server.state) for path, _, _ in os.walk(top / "environments")):
                os.chmod(closed, 0o700)


def pushed(door: Door, name: str, wanted: str = "", **platform: Any) -> str:
    files = {"app/main.py": GREET, "requirements.txt": wanted}
    files["manifest.json"] = json.dumps({"name": name, "version": "0.1", **platform})
    json_of(door.post("/v1/dev/apps", json={"archive": base64.b64encode(archive_of(files)).decode()}))
    json_of(door.post(f"/v1/dev/apps/{name}@0.1/activate"))
    return f"{name}@0.1"


def test_a_block_that_requires_packages_runs_on_a_node_that_sees_no_folder_of_the_servers(
    door: Door, node: Path
) -> None:
    said = outputs(door, pushed(door, "greet", "greeting>=1\n"))
    assert len(said) == 3
    assert len(set(said)) == 1
    word, prefix = said[0].split()
    assert word == "hello"
    assert Path(prefix).parent == node / "environments"
    until("what was left is gone", lambda: not (node / LEFT).exists(), WITHIN_S)


def test_a_block_with_an_image_is_refused_in_words(door: Door) -> None:
    platform = {"platform": "docker", "platform_config": {"container": "example.org/tools:1"}}
    job = draft(door, pushed(door, "boxed", **platform))
    answer = door.post(f"/v1/customer/jobs/{job['id']}/run", json={})
    assert answer.status_code == 400
    assert "the nodes of a Ray cluster are not given images" in answer.text


def outputs(door: Door, app: str) -> list[str]:
    """What three tasks on one node said."""
    parts = {"partitioner": "replicate", "assembler": "concat", "params": {"partitioner": {"num_replicas": 3}}}
    job = draft(door, app, regions={"whitelist": ["eu"]}, **parts)
    run(door, job["id"])
    ended(door, job["id"], deadline_s=WITHIN_S)
    results: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
    (link,) = (one["link"] for one in results if one["name"] != "provenance.json")
    return door.get(link).text.splitlines()
