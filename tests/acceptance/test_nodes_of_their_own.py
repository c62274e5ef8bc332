"""Blocks that require packages, on a real Ray node that sees no folder of the server's: it makes what they need."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from fanfold.executors.ray_cluster import TrialCluster
from tests.compat.scene import archive_of, draft, ended, run
from tests.compat.server import Door, Server, json_of
from tests.conformance.s3_server import KEYS, s3_server
from tests.pace import patience
from tests.wheels import make_wheel

pytestmark = [pytest.mark.needs(module="ray"), pytest.mark.needs(module="uv"), pytest.mark.timeout(240)]

WITHIN_S = patience(90.0)
GREET = """import os, sys, greeting
open(os.environ["TASK_RESULTS_DIR"] + "/said.txt", "w").write(f"{greeting.WORD} {sys.prefix}\\n")
"""


def pushed(door: Door, version: str, wanted: str) -> str:
    files = {"app/main.py": GREET, "requirements.txt": wanted}
    files["manifest.json"] = json.dumps({"name": "greet", "version": version})
    json_of(door.post("/v1/dev/apps", json={"archive": base64.b64encode(archive_of(files)).decode()}))
    json_of(door.post(f"/v1/dev/apps/greet@{version}/activate"))
    return f"greet@{version}"


def test_a_block_that_requires_packages_runs_on_a_node_that_sees_no_folder_of_the_servers(
    ray_cluster: TrialCluster, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "wheels", "greeting", "1.0", {"greeting.py": "WORD = 'hello'\n"})
    node = tmp_path / "node"
    with s3_server(tmp_path) as store:
        store.bucket("jobs")
        server = Server(
            tmp_path / "server",
            executor="ray",
            ray_address=ray_cluster.address,
            ray_token_file=ray_cluster.token_file,
            ray_namespace=tmp_path.name,
            ray_node_folder=node,
            storage="s3://jobs/here",
            storage_endpoint=store.url,
            storage_access_key=KEYS[0],
            storage_secret_key=KEYS[1],
            isolation="off",
            package_index="none",
            package_folders=tmp_path / "wheels",
        ).start()
        try:
            with server.door() as door:
                said = outputs(door, pushed(door, "0.1", "greeting>=1\n"))
        finally:
            assert server.stop() == 0
            for folder in (path for top in (node, server.state) for path, _, _ in os.walk(top / "environments")):
                os.chmod(folder, 0o700)
    assert len(said) == 3
    assert len(set(said)) == 1
    word, prefix = said[0].split()
    assert word == "hello"
    assert Path(prefix).parent == node / "environments"


def outputs(door: Door, app: str) -> list[str]:
    """What three tasks on one node said."""
    parts = {"partitioner": "replicate", "assembler": "concat", "params": {"partitioner": {"num_replicas": 3}}}
    job = draft(door, app, regions={"whitelist": ["eu"]}, **parts)
    run(door, job["id"])
    ended(door, job["id"], deadline_s=WITHIN_S)
    results: Any = json_of(door.get(f"/v1/customer/jobs/{job['id']}/results"))["results"]
    (link,) = (one["link"] for one in results if one["name"] != "provenance.json")
    return door.get(link).text.splitlines()
