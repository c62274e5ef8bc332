"""What Ray is asked for."""

from typing import Any

from fanfold.executors.ray_placing import options_of, parallel, place_of, places_of, slots_of
from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import Regions
from fanfold.jobs.needs import Need, Place

LABEL = "ray.io/region"


def node(name: str, region: str = "", **resources: float) -> Place:
    labels = {LABEL: region} if region else {}
    return place_of({"id": name, "resources": {"CPU": 8.0, "memory": 16.0 * GIB} | resources, "labels": labels}, LABEL)


NODES = [node("a", "eu"), node("b", "us", **{"GPU": 2.0, "accelerator_type:A100": 1.0}), node("c", CPU=2.0)]


def test_a_node_is_a_place_with_its_cards_and_region() -> None:
    assert NODES[0] == Place(Device(8.0, 16 * GIB), "eu", "a")
    assert NODES[1].device.gpus == ("A100", "A100")
    assert node("d", GPU=1.0).device.gpus == ("GPU",)
    bare: dict[str, Any] = {"id": "e", "resources": {}, "labels": {}}
    assert place_of(bare, LABEL) == Place(Device(0.0, 0), "", "e")


def test_a_node_without_cores_is_no_place() -> None:
    head: dict[str, Any] = {"id": "head", "resources": {"memory": 16.0 * GIB, "GPU": 1.0}, "labels": {}}
    none: dict[str, Any] = {"id": "none", "resources": {"CPU": 0.0}, "labels": {}}
    small: dict[str, Any] = {"id": "small", "resources": {"CPU": 1.0}, "labels": {LABEL: "eu"}}
    assert places_of([head, none, small], LABEL) == [Place(Device(1.0, 0), "eu", "small")]


def test_a_block_is_asked_for_with_its_cores_and_memory() -> None:
    assert options_of(NODES, Need(Device(2.0, GIB)), 3, LABEL) == {"num_cpus": 6, "memory": 3 * GIB}
    assert options_of(NODES, Need(Device(0.5, GIB)), 1, LABEL)["num_cpus"] == 0.5
    assert options_of(NODES, Need(Device(1.5, GIB)), 1, LABEL)["num_cpus"] == 2


def test_a_gpu_is_asked_for_by_the_type_that_nodes_have() -> None:
    need = Need(Device(1.0, GIB, ("NVIDIA H100", "NVIDIA A100-SXM4-40GB")))
    asked = options_of(NODES, need, slots_of(NODES, need), LABEL)
    assert (asked["num_gpus"], asked["resources"]) == (1, {"accelerator_type:A100": 0.001})


def test_regions_are_asked_for_by_label() -> None:
    def selected(*lists: tuple[str, ...]) -> Any:
        return options_of(NODES, Need(Device(), Regions(*lists)), 1, LABEL).get("label_selector")

    assert selected() is None
    assert selected(("EU", "mars")) == {LABEL: "in(EU,eu,mars)"}
    assert selected(("eu", "us"), ("us",)) == {LABEL: "in(eu)"}
    assert selected((), ("us",)) == {LABEL: "!in(us)"}
    assert selected((), ("US",)) == {LABEL: "!in(US,us)"}
    assert selected((), ("mars", "us")) == {LABEL: "!in(mars,us)"}
    assert selected(("mars",)) == {LABEL: "in(mars)"}
    assert selected(("mars", "venus"), ("mars",)) == {LABEL: "in(venus)"}


def test_a_region_that_no_node_can_have_is_not_asked_for() -> None:
    def selected(*lists: tuple[str, ...]) -> Any:
        return options_of(NODES, Need(Device(), Regions(*lists)), 1, LABEL).get("label_selector")

    assert selected((), ("", "no label", "a,b", "x" * 64)) is None
    assert selected((), ("no label", "us")) == {LABEL: "!in(us)"}


def test_a_worker_takes_at_most_half_a_node_and_four_slots() -> None:
    assert slots_of(NODES, Need(Device(1.0, GIB))) == 4
    assert slots_of(NODES, Need(Device(3.0, GIB))) == 1
    assert slots_of([NODES[2]], Need(Device(1.0, GIB))) == 1
    assert slots_of([], Need()) == 1
    assert slots_of(NODES, Need(Device(1.0, GIB, ("A100",)))) == 1
    assert parallel(NODES, Need(Device(1.0, GIB))) == 18
