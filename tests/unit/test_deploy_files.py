"""The files to deploy with name what there is: settings, commands and options, files, secrets, volumes."""

import dataclasses
import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from fastapi import Request

from fanfold.cli.app import COMMANDS
from fanfold.effects import Effects
from fanfold.server.parts import host_guard
from fanfold.services.sealing import Sealer
from fanfold.services.server_keys import FILE_NAME, server_keys
from fanfold.settings import ENVIRONMENT_PREFIX, Settings
from tests.arch.source import ROOT

DEPLOY = ROOT / "examples" / "deploy"
COMPOSE: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES: list[Any] = [
    document
    for file in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(file.read_text())
]
SETTINGS = {item.name for item in dataclasses.fields(Settings)}
MADE_BY_HAND = {"fanfold", "fanfold-keys", "fanfold-ray-token"}
"""Secrets that the comments of the manifests have one make."""

TEXTS = [file.read_text() for file in sorted(DEPLOY.rglob("*")) if file.is_file() and file.suffix != ".pyc"]
SERVERS = ("server", "standby")
(STATEFUL,) = [document for document in KUBERNETES if document["kind"] == "StatefulSet"]
(CONFIG,) = [document for document in KUBERNETES if document["kind"] == "ConfigMap"]


def inside(node: Any, key: str) -> Iterator[Any]:
    """All values of a key, however deep."""
    if isinstance(node, dict):
        yield from (node[key] for _ in range(key in node))
        for value in node.values():
            yield from inside(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from inside(value, key)


def settings_of(names: Any) -> dict[str, str]:
    return {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): str(value)
        for name, value in dict(names).items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }


def commands() -> Iterator[list[str]]:
    """Every command that a container of ours is started with."""
    for service in COMPOSE["services"].values():
        if str(service["image"]).startswith("fanfold"):
            yield service["command"]
    for key in ("command", "args"):
        yield from inside(KUBERNETES, key)
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    yield from (json.loads(words) for words in re.findall(r"^(?:CMD|ENTRYPOINT) (\[.*\])$", dockerfile, re.MULTILINE))


def typed() -> list[list[str]]:
    """Those commands as words, a shell's taken apart."""
    found: list[list[str]] = []
    for words in commands():
        parts = words[2].split("&&") if words[:2] == ["sh", "-c"] else [shlex.join(map(str, words))]
        found += [[word for word in shlex.split(part) if word != "exec"] for part in parts]
    return found


def test_every_setting_is_one_and_has_a_value_that_is_taken() -> None:
    given = [settings_of(service.get("environment", {})) for service in COMPOSE["services"].values()]
    given += [settings_of(CONFIG["data"])]
    assert len([one for one in given if one]) == 1 + len(SERVERS)
    for one in given:
        assert set(one) <= SETTINGS
        Settings.load(None, {}, **one)


def test_whatever_is_called_as_a_setting_is_one() -> None:
    page = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
    named = {name.lower() for text in [*TEXTS, page] for name in re.findall(r"\bFANFOLD_([A-Z_]+)", text)}
    assert "master_key" in named
    assert named <= SETTINGS


def test_every_command_is_one_that_is_understood() -> None:
    seen = set()
    for program, *words in typed():
        seen.add(program)
        if program == "fanfold":
            name, *options = words
            module, _, attribute = COMMANDS[name].partition(":")
            command = typer.main.get_command(getattr(importlib.import_module(module), attribute))
            command.make_context(name, options)
        elif program == "install":
            assert words[:2] == ["-m", "600"], "a server refuses keys that others may read"
            assert words[-1] == "/state/server-keys.json"
        else:
            assert program in {"ray", "tini"}
    assert {"fanfold", "install", "ray"} <= seen


@pytest.mark.needs(module="ray")
def test_every_ray_is_started_with_options_that_it_has() -> None:
    from ray.scripts.scripts import start

    started = [words for program, *words in typed() if program == "ray"]
    assert len(started) == 2
    for verb, *options in started:
        assert verb == "start"
        start.make_context("start", options)


def test_compose_services_name_volumes_secrets_and_services_that_there_are() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        named = {volume.partition(":")[0] for volume in service.get("volumes", ()) if volume[0] not in "./"}
        assert named <= set(COMPOSE["volumes"]), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", ())) <= set(services), name
        assert service.get("image"), name
        for place in (service["build"],) if "build" in service else ():
            source = (DEPLOY / place["context"]).resolve()
            assert source == ROOT
            assert (source / place["dockerfile"]).read_text() == (DEPLOY / "Dockerfile").read_text()
        for mounted in service.get("volumes", ()):
            assert not mounted.startswith("./") or (DEPLOY / mounted.split(":")[0]).is_file(), mounted


def test_the_image_is_made_of_this_source_with_the_ray_of_the_cluster() -> None:
    lines = (DEPLOY / "Dockerfile").read_text()
    copied = [line.split()[1:-1] for line in lines.splitlines() if line.startswith("COPY ") and "--from" not in line]
    names = [name for line in copied for name in line]
    assert {"pyproject.toml", "src"} <= set(names)
    assert all((ROOT / name).exists() for name in names)
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line.removeprefix("!") for line in kept if line.startswith("!")} == set(names)
    assert "/wheels/fanfold-*.whl" in lines
    assert not re.search(r"pip install[^\n]* '?fanfold", lines)
    (cluster,) = [document for document in KUBERNETES if document["kind"] == "RayCluster"]
    assert re.findall(r"ray\[default\]==([0-9.]+)", lines) == [cluster["spec"]["rayVersion"]]


def test_there_are_two_servers_that_share_nothing_but_keys_database_and_bucket() -> None:
    one, other = (COMPOSE["services"][name] for name in SERVERS)
    assert one["environment"] == other["environment"]
    assert one["command"] == other["command"]
    assert "server-keys" in one["secrets"]
    assert not one.get("volumes")
    assert not other.get("volumes")
    assert other["depends_on"]["server"]["condition"] == "service_healthy"
    door = (DEPLOY / "Caddyfile").read_text()
    assert f"reverse_proxy {' '.join(f'{name}:8480' for name in SERVERS)}" in door
    assert STATEFUL["spec"]["replicas"] == 2
    assert STATEFUL["spec"]["podManagementPolicy"] == "OrderedReady"
    assert not list(inside(KUBERNETES, "persistentVolumeClaim"))
    assert CONFIG["data"]["FANFOLD_STORAGE"].startswith("s3://")
    (kept,) = [document for document in KUBERNETES if document["kind"] == "PodDisruptionBudget"]
    assert kept["spec"]["selector"] == STATEFUL["spec"]["selector"]


def test_a_server_has_longer_to_end_than_its_tasks() -> None:
    drain_s = Settings().drain_timeout_s
    assert STATEFUL["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > drain_s
    for name in SERVERS:
        assert float(COMPOSE["services"][name]["stop_grace_period"].removesuffix("s")) > drain_s


def test_the_region_of_nodes_is_where_the_servers_look_for_it() -> None:
    (cluster,) = [document for document in KUBERNETES if document["kind"] == "RayCluster"]
    for group in cluster["spec"]["workerGroupSpecs"]:
        for container in group["template"]["spec"]["containers"]:
            assert "RAY_NODE_REGION" in {item["name"] for item in container["env"]}
    assert CONFIG["data"]["FANFOLD_RAY_REGION_LABEL"] == "ray.io/availability-region"
    assert f"--labels={Settings().ray_region_label}=here" in COMPOSE["services"]["ray-node"]["command"]


def test_nodes_keep_their_work_in_a_folder_of_their_own_volume_where_it_is_swept() -> None:
    (cluster,) = [document for document in KUBERNETES if document["kind"] == "RayCluster"]
    mounts = list(inside(cluster["spec"]["workerGroupSpecs"], "mountPath"))
    assert mounts == COMPOSE["services"]["ray-node"]["volumes"] == ["/state"]
    for given in (CONFIG["data"], *(COMPOSE["services"][name]["environment"] for name in SERVERS)):
        folder = Path(Settings.load(None, {}, **settings_of(given)).ray_node_folder)
        assert str(folder.parent) in mounts


def test_the_secrets_that_are_made_are_ones_that_are_taken(tmp_path: Path) -> None:
    script = [sys.executable, str(DEPLOY / "make_secrets.py")]
    subprocess.run(script, cwd=tmp_path, check=True, capture_output=True)
    made = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert {f"./{file.relative_to(tmp_path)}" for file in made} - {"./.env"} == {
        secret["file"] for secret in COMPOSE["secrets"].values()
    }
    (command,) = {words[2].split("&&")[0] for words in commands() if words[:2] == ["sh", "-c"]}
    install = [tmp_path / "secrets" / "server-keys.json", tmp_path / FILE_NAME]
    subprocess.run([*shlex.split(command)[:3], *install], check=True)
    keys = server_keys(tmp_path, Effects())
    assert keys.pepper != keys.signer
    (master,) = re.findall(r"^MASTER_KEY=(.+)$", (tmp_path / ".env").read_text(), re.MULTILINE)
    sealer = Sealer(tmp_path / "none.json", Effects(), master)
    assert sealer.open("account", "secret", sealer.seal("account", "secret", "value")) == "value"
    assert (tmp_path / "secrets").stat().st_mode & 0o77 == 0
    assert (tmp_path / ".env").stat().st_mode & 0o77 == 0
    subprocess.run(script, cwd=tmp_path, check=True, capture_output=True)
    assert {file: file.read_bytes() for file in made} == made


def test_every_variable_of_the_compose_file_is_asked_for_and_required() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)(:\?)?\}", (DEPLOY / "compose.yaml").read_text()))
    listed = set(re.findall(r'^        "([A-Z_]+)": ', (DEPLOY / "make_secrets.py").read_text(), re.MULTILINE))
    assert {name for name, _ in used} == listed
    assert all(required for _, required in used)


def test_ray_is_reached_where_it_is_and_by_token_everywhere() -> None:
    for server in SERVERS:
        address = COMPOSE["services"][server]["environment"]["FANFOLD_RAY_ADDRESS"]
        assert f"--address={address}" in COMPOSE["services"]["ray-node"]["command"]
    for name in ("ray-head", "ray-node"):
        assert COMPOSE["services"][name]["environment"]["RAY_AUTH_MODE"] == "token"
        assert "ray-token" in COMPOSE["services"][name]["secrets"]
    (cluster,) = [document for document in KUBERNETES if document["kind"] == "RayCluster"]
    assert CONFIG["data"]["FANFOLD_RAY_ADDRESS"] == f"{cluster['metadata']['name']}-head-svc:6379"
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    for group in groups:
        for container in group["template"]["spec"]["containers"]:
            variables = {item["name"]: item for item in container["env"]}
            assert variables["RAY_AUTH_MODE"]["value"] == "token"
            assert "secretKeyRef" in variables["RAY_AUTH_TOKEN"]["valueFrom"]


@pytest.mark.parametrize("document", KUBERNETES, ids=lambda document: document["kind"])
def test_a_manifest_names_what_there_is(document: Any) -> None:
    assert document["apiVersion"]
    assert document["metadata"]["name"]
    assert {ref["name"] for ref in inside(document, "configMapRef")} <= {CONFIG["metadata"]["name"]}
    secrets = {ref["name"] for key in ("secretRef", "secretKeyRef") for ref in inside(document, key)}
    secrets |= {ref["secretName"] for ref in inside(document, "secret")}
    assert secrets <= MADE_BY_HAND
    for pod in inside(document, "spec"):
        containers = [*pod.get("containers", ()), *pod.get("initContainers", ())]
        mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
        assert mounted <= {volume["name"] for volume in pod.get("volumes", ())}


def test_a_service_finds_its_pods_and_probes_their_ports() -> None:
    (service,) = [document for document in KUBERNETES if document["kind"] == "Service"]
    labels = STATEFUL["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == STATEFUL["spec"]["selector"]["matchLabels"]
    assert service["metadata"]["name"] == STATEFUL["spec"]["serviceName"]
    (container,) = STATEFUL["spec"]["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports
    assert {probe["port"] for probe in inside(container, "httpGet")} <= ports
    assert {probe["path"] for probe in inside(container, "httpGet")} == {"/health", "/ready"}


def asked(path: str, host: str, **headers: str) -> Request:
    """A request as a guard sees it."""
    sent = [(b"host", host.encode()), *((name.encode(), value.encode()) for name, value in headers.items())]
    return Request({"type": "http", "method": "GET", "path": path, "headers": sent, "query_string": b""})


def test_a_probe_by_the_address_of_a_pod_passes_and_nothing_else_does() -> None:
    settings = Settings.load(None, {}, host="0.0.0.0", **settings_of(CONFIG["data"]))
    refusal = host_guard(settings, settings.public_url).refusal
    probed = {probe["path"] for probe in inside(STATEFUL, "httpGet")}
    assert probed
    for path in {*probed, "/metrics"}:
        assert not refusal(asked(path, "10.42.0.7:8480"))
        assert "origin" in refusal(asked(path, "10.42.0.7:8480", origin="http://evil.example"))
    for path in ("/v1/customer/jobs", "/", "/ready/", "/health/../v1/customer/jobs"):
        assert "10.42.0.7" in refusal(asked(path, "10.42.0.7:8480"))
        assert not refusal(asked(path, "fanfold.example.org"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_on_loopback_is_asked_for_its_health_by_its_own_names_only(host: str) -> None:
    refusal = host_guard(Settings.load(None, {}, host=host), "http://127.0.0.1:8480").refusal
    assert "evil.example" in refusal(asked("/ready", "evil.example"))
    assert not refusal(asked("/ready", "localhost:8480"))
