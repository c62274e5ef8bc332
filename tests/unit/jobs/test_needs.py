"""What a program needs of a place."""

import pytest

from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import Regions
from fanfold.jobs.needs import Need, Place, allows, holds, lacking, suits

EU = Place(Device(4.0, 8 * GIB), "eu", "a")
US = Place(Device(8.0, 4 * GIB, ("A100", "A100")), "us", "b")
NOWHERE = Place(Device(2.0, 2 * GIB), "", "c")


@pytest.mark.parametrize(
    ("whitelist", "blacklist", "region", "allowed"),
    [
        ((), (), "", True),
        ((), (), "eu", True),
        (("eu",), (), "eu", True),
        (("EU",), (), "eu", True),
        (("eu",), (), "us", False),
        (("eu",), (), "", False),
        ((), ("us",), "us", False),
        ((), ("us",), "eu", True),
        ((), ("us",), "", True),
        (("eu",), ("eu",), "eu", False),
    ],
)
def test_a_region_is_allowed_by_whitelist_and_blacklist(
    whitelist: tuple[str, ...], blacklist: tuple[str, ...], region: str, allowed: bool
) -> None:
    assert allows(Regions(whitelist, blacklist), region) is allowed


@pytest.mark.parametrize(
    ("card", "model", "fits"),
    [
        ("A100", "NVIDIA A100-SXM4-40GB", True),
        ("nvidia a100-sxm4-40gb", "NVIDIA A100-SXM4-40GB", True),
        ("A10", "NVIDIA A100-SXM4-40GB", False),
        ("A100-40G", "NVIDIA A100-SXM4-40GB", False),
        ("NVIDIA A100-SXM4-40GB", "A100", False),
        ("", "NVIDIA A100", False),
        ("--", "NVIDIA A100", False),
    ],
)
def test_a_card_suits_the_models_whose_names_have_all_its_words(card: str, model: str, fits: bool) -> None:
    assert suits(card, ["NVIDIA H200", model]) is fits


def test_a_place_holds_as_many_as_its_scarcest_part_allows() -> None:
    assert holds(EU, Need(Device(1.0, GIB))) == 4
    assert holds(EU, Need(Device(1.0, 3 * GIB))) == 2
    assert holds(EU, Need(Device(0.1, GIB // 8))) == 40
    assert holds(US, Need(Device(1.0, GIB, ("NVIDIA A100",)))) == 2
    assert holds(EU, Need(Device(1.0, GIB, ("NVIDIA A100",)))) == 0
    assert holds(EU, Need(Device(5.0, GIB))) == 0
    assert holds(EU, Need(Device(), Regions(("us",)))) == 0


@pytest.mark.parametrize(
    ("need", "told"),
    [
        (Need(), ""),
        (Need(Device(8.0, 4 * GIB)), ""),
        (Need(Device(8.0, 8 * GIB)), "8 cores and 8 GiB; the largest runner has 8 cores and 4 GiB"),
        (
            Need(Device(), Regions(("asia",))),
            "a region that its job allows (only asia); runners are in eu, no region, us",
        ),
        (
            Need(Device(), Regions(("eu",), ("eu",))),
            "a region that its job allows (only eu, not eu); runners are in eu, no region, us",
        ),
        (Need(Device(1.0, GIB, ("NVIDIA H200",))), "a GPU (NVIDIA H200); runners have A100"),
        (Need(Device(1.0, GIB, ("NVIDIA A100",)), Regions(("eu",))), "a GPU (NVIDIA A100); runners have none"),
        (Need(Device(5.0, GIB), Regions(("eu",))), "5 cores and 1 GiB; the largest runner has 4 cores and 8 GiB"),
    ],
)
def test_what_no_place_has_is_told(need: Need, told: str) -> None:
    assert lacking([EU, US, NOWHERE], need) == told


def test_where_there_is_no_place_that_is_told() -> None:
    assert lacking([], Need()) == "a runner, and there is none"
