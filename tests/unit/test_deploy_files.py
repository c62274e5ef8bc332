"""The files to deploy with name what there is: settings, options, files, secrets, volumes."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from fastapi import Request

from fanfold.server.parts import host_guard
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
MADE_BY_HAND = {"fanfold", "fanfold-ray-token"}
"""Secrets that the comments of the manifests have one make."""


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


def test_every_setting_is_one_and_has_a_value_that_is_taken() -> None:
    given = [settings_of(service.get("environment", {})) for service in COMPOSE["services"].values()]
    given += [settings_of(document["data"]) for document in KUBERNETES if document["kind"] == "ConfigMap"]
    assert len([one for one in given if one]) == 2
    for one in given:
        assert set(one) <= SETTINGS
        Settings.load(None, {}, **one)


def test_compose_services_name_volumes_secrets_and_services_that_there_are() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        named = {volume.partition(":")[0] for volume in service.get("volumes", ()) if not volume.startswith("/")}
        assert named <= set(COMPOSE["volumes"]), name
        assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", ())) <= set(services), name
        assert service.get("image"), name
    assert (DEPLOY / "Dockerfile").is_file()


def test_every_variable_of_the_compose_file_is_asked_for_and_required() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)(:\?)?\}", (DEPLOY / "compose.yaml").read_text()))
    listed = set(re.findall(r"^([A-Z_]+)=$", (DEPLOY / "environment.example").read_text(), re.MULTILINE))
    assert {name for name, _ in used} == listed
    assert all(required for _, required in used)


def test_ray_is_reached_where_it_is_and_by_token_everywhere() -> None:
    address = COMPOSE["services"]["server"]["environment"]["FANFOLD_RAY_ADDRESS"]
    assert f"--address={address}" in COMPOSE["services"]["ray-node"]["command"]
    for name in ("ray-head", "ray-node"):
        assert COMPOSE["services"][name]["environment"]["RAY_AUTH_MODE"] == "token"
        assert "ray-token" in COMPOSE["services"][name]["secrets"]
    (cluster,) = [document for document in KUBERNETES if document["kind"] == "RayCluster"]
    (config,) = [document for document in KUBERNETES if document["kind"] == "ConfigMap"]
    assert config["data"]["FANFOLD_RAY_ADDRESS"] == f"{cluster['metadata']['name']}-head-svc:6379"
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
    by_kind = {
        kind: {one["metadata"]["name"] for one in KUBERNETES if one["kind"] == kind}
        for kind in ("ConfigMap", "PersistentVolumeClaim")
    }
    assert {ref["name"] for ref in inside(document, "configMapRef")} <= by_kind["ConfigMap"]
    assert {ref["claimName"] for ref in inside(document, "persistentVolumeClaim")} <= by_kind["PersistentVolumeClaim"]
    secrets = {ref["name"] for key in ("secretRef", "secretKeyRef") for ref in inside(document, key)}
    secrets |= {ref["secretName"] for ref in inside(document, "secret")}
    assert secrets <= MADE_BY_HAND
    for pod in inside(document, "spec"):
        mounted = {
            mount["name"] for container in pod.get("containers", ()) for mount in container.get("volumeMounts", ())
        }
        assert mounted <= {volume["name"] for volume in pod.get("volumes", ())}


def test_a_service_finds_its_pods_and_probes_their_ports() -> None:
    (deployment,) = [document for document in KUBERNETES if document["kind"] == "Deployment"]
    (service,) = [document for document in KUBERNETES if document["kind"] == "Service"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports
    assert {probe["port"] for probe in inside(container, "httpGet")} <= ports
    assert {probe["path"] for probe in inside(container, "httpGet")} == {"/health", "/ready"}


def asked(path: str, host: str, **headers: str) -> Request:
    """A request as a guard sees it."""
    sent = [(b"host", host.encode()), *((name.encode(), value.encode()) for name, value in headers.items())]
    return Request({"type": "http", "method": "GET", "path": path, "headers": sent, "query_string": b""})


def test_a_probe_by_the_address_of_a_pod_passes_and_nothing_else_does() -> None:
    (config,) = [document for document in KUBERNETES if document["kind"] == "ConfigMap"]
    settings = Settings.load(None, {}, host="0.0.0.0", **settings_of(config["data"]))
    refusal = host_guard(settings, settings.public_url).refusal
    (deployment,) = [document for document in KUBERNETES if document["kind"] == "Deployment"]
    probed = {probe["path"] for probe in inside(deployment, "httpGet")}
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
