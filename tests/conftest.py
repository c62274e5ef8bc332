"""What every test may ask for."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fanfold.executors.ray_cluster import TrialCluster

Optional = Callable[[str, str], None]


def absent(name: str, why: str) -> None:
    """End a test whose optional service `name` is not here: a skip at home, a failure where CI is set."""
    sentence = f"{name} is not here: {why}"
    if os.environ.get("CI"):
        pytest.fail(f"{sentence} (CI is set, so nothing may be left out)", pytrace=False)
    pytest.skip(sentence)


@pytest.fixture
def optional() -> Optional:
    """`optional(name, why)`, to be called by a test that found its optional service missing."""
    return absent


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[TrialCluster]":
    """A Ray cluster of two nodes in two regions, which all test processes share: it takes long to start."""
    from tests.ray_cluster import shared_cluster

    own = tmp_path_factory.getbasetemp()
    with shared_cluster((own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own) / "ray", nodes=2) as cluster:
        yield cluster


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Read `@pytest.mark.needs("bwrap", module="ray")`: programs on PATH and importable modules."""
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if shutil.which(program) is None:
                absent(program, "no such program on PATH")
        module = marker.kwargs.get("module")
        if module and importlib.util.find_spec(module) is None:
            absent(module, "no such Python module")
