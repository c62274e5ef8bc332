"""Which Ray cluster, what it has, and how a worker asks Ray for its part of it. Pure: nodes in, numbers and options
out."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanfold.jobs.blocks import Device
from fanfold.jobs.needs import Need, Place, allows, holds, suits
from fanfold.ports.blobs import BlobPlace
from fanfold.ports.environments import EnvironmentPlace
from fanfold.runner.messages import storage_json

MOST_SLOTS = 4
"""A worker runs at most so many programs at a time, and takes at most half a node where it runs more than one."""

HOME = str(Path(__file__).parents[1])
ACCELERATOR = "accelerator_type:"
ACCELERATOR_LABEL = "ray.io/accelerator-type"
_LABEL = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?")
"""What the value of a label may be: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels"""


@dataclass(frozen=True, slots=True)
class RayPlace:
    """Which cluster, and how: its address, the namespace that is this installation's alone, the file with its token
    ("": Ray's own) where `auth` is "token", the label that names a node's region, how programs are isolated there, and
    where job data is at rest, with a node's own folder for it, and how `environments` are made there, where nodes do
    not see the server's. With `sweeps`, that folder is the workers' alone, who keep it clean. A worker that hears
    nothing of its server for `serverless_s` ends its work. Who `stands_by` leaves workers to the server that leads,
    until it takes over. `python` is the server's own interpreter, and `home` the folder of its Fanfold: in place of
    them a node takes its own."""

    address: str = "auto"
    namespace: str = "fanfold"
    token_file: str = ""
    region_label: str = "ray.io/region"
    isolation: str = "off"
    auth: str = "token"
    serverless_s: float = 15.0
    storage: tuple[BlobPlace, Path] | None = None
    sweeps: bool = False
    python: str = sys.executable
    home: str = HOME
    environments: EnvironmentPlace | None = None
    stands_by: bool = False


def place_of(node: Mapping[str, Any], region_label: str) -> Place:
    """A node as Ray describes it. Its cards are known by the one accelerator type that it names."""
    resources, labels = node["resources"], node["labels"]
    named = [name.removeprefix(ACCELERATOR) for name in resources if name.startswith(ACCELERATOR)]
    card = (named or [labels.get(ACCELERATOR_LABEL, "")])[0]
    cards = (card or "GPU",) * int(resources.get("GPU", 0))
    device = Device(float(resources.get("CPU", 0)), int(resources.get("memory", 0)), cards)
    return Place(device, labels.get(region_label, ""), node["id"])


def places_of(nodes: Iterable[Mapping[str, Any]], region_label: str) -> list[Place]:
    """Where programs may run: the nodes that have cores. A head often has none, a server's own seat never."""
    return [place_of(node, region_label) for node in nodes if node["resources"].get("CPU")]


def parallel(places: Iterable[Place], need: Need) -> int:
    """How many programs with this need the cluster can run at a time."""
    return sum(holds(place, need) for place in places)


def slots_of(places: Iterable[Place], need: Need) -> int:
    """How many programs one worker for this need runs at a time."""
    if need.device.gpus:  # a worker's cards are all its programs' own
        return 1
    return min(MOST_SLOTS, max(1, max((holds(place, need) for place in places), default=1) // 2))


def options_of(places: Sequence[Place], need: Need, slots: int, region_label: str) -> dict[str, Any]:
    """What Ray is asked for, for a worker of so many slots."""
    options: dict[str, Any] = {
        "num_cpus": _count(slots * need.device.cores),
        "memory": slots * need.device.memory_bytes,
    }
    if need.device.gpus:
        options["num_gpus"] = slots
        card = _card(places, need)
        if card != "GPU":
            options["resources"] = {f"{ACCELERATOR}{card}": 0.001}
    selected = _regions(places, need)
    if selected:
        options["label_selector"] = {region_label: selected}
    return options


def config_of(place: RayPlace, need: Need, slots: int) -> dict[str, Any]:
    """What a worker of so many slots is told of its place, as JSON."""
    return {
        "slots": slots,
        "isolation": place.isolation,
        "sweeps": place.sweeps,
        "python": place.python,
        "home": place.home,
        "serverless_s": place.serverless_s,
        "gpus": bool(need.device.gpus),
        "storage": place.storage and storage_json(*place.storage, place.environments),
    }


def _count(cores: float) -> float:
    """Ray takes parts of a core below one only."""
    return cores if cores < 1 else math.ceil(cores)


def _card(places: Iterable[Place], need: Need) -> str:
    """The suitable card of which there are most, where nodes know what theirs are."""
    cards = [card for place in places if holds(place, need) for card in place.device.gpus]
    fitting = [card for card in cards if suits(card, need.device.gpus)]
    return max(sorted(set(fitting)), key=fitting.count, default="GPU")


def _regions(places: Iterable[Place], need: Need) -> str:
    """The regions that are allowed, as Ray selects them; "" for any. Those that have no node now are named too: one may
    join while a worker waits for its place."""
    regions = need.regions
    known = {place.region for place in places}
    if regions.whitelist:
        return _selected("in", {name for name in known.union(regions.whitelist) if allows(regions, name)})
    return _selected("!in", {name for name in known.union(regions.blacklist) if not allows(regions, name)})


def _selected(how: str, names: Iterable[str]) -> str:
    """Ray refuses a selector with a name that none of its labels can have."""
    possible = sorted(name for name in names if _LABEL.fullmatch(name))
    return f"{how}({','.join(possible)})" if possible else ""
