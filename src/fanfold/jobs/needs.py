"""What a program needs of the place where it runs, and whether a place has it: size, GPU, region. Arithmetic alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fanfold.jobs.blocks import GIB, Device
from fanfold.jobs.models import Regions

_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Need:
    """What one run asks for: its block's device, in a region that its job allows."""

    device: Device = field(default_factory=Device)
    regions: Regions = field(default_factory=Regions)


@dataclass(frozen=True, slots=True)
class Place:
    """A machine that runs programs: what it has, one entry of `device.gpus` a card, and the region it belongs to."""

    device: Device
    region: str = ""
    name: str = ""


def allows(regions: Regions, region: str) -> bool:
    """Whether work may run in a region ("": in none). An empty whitelist allows every region that is not forbidden."""
    if region.casefold() in _folded(regions.blacklist):
        return False
    return not regions.whitelist or region.casefold() in _folded(regions.whitelist)


def suits(card: str, models: Sequence[str]) -> bool:
    """Whether a card is one of these models. Names compare without case; a card that is known by a short name, such as
    A100, is any model whose name has all its words, such as NVIDIA A100-SXM4-40GB."""
    words = _words(card)
    return any(card.casefold() == model.casefold() or (words and words <= _words(model)) for model in models)


def holds(place: Place, need: Need) -> int:
    """How many programs with this need a place can run at a time; 0 where it is too small or not allowed."""
    if not allows(need.regions, place.region):
        return 0
    has, asked = place.device, need.device
    fits = [int(has.cores / asked.cores + 1e-9), has.memory_bytes // max(1, asked.memory_bytes)]
    if asked.gpus:
        fits.append(sum(suits(card, asked.gpus) for card in has.gpus))
    return max(0, min(fits))


def lacking(places: Sequence[Place], need: Need) -> str:
    """What none of the places has, to be read after "needs"; "" where one has it all."""
    if any(holds(place, need) for place in places):
        return ""
    if not places:
        return "a runner, and there is none"
    allowed = [place for place in places if allows(need.regions, place.region)]
    if not allowed:
        found = sorted({place.region or "no region" for place in places})
        return f"a region that its job allows ({_wanted(need.regions)}); runners are in {', '.join(found)}"
    asked = need.device
    with_card = [
        place for place in allowed if not asked.gpus or any(suits(card, asked.gpus) for card in place.device.gpus)
    ]
    if not with_card:
        return f"a GPU ({' or '.join(asked.gpus)}); runners have {_cards(allowed)}"
    return f"{said(asked)}; the largest runner has {said(largest(place.device for place in with_card))}"


def largest(devices: Iterable[Device]) -> Device:
    """The one with most cores and, among equals, most memory; nothing at all where there is none."""
    return max(devices, key=lambda device: (device.cores, device.memory_bytes), default=Device(0.0, 0))


def most_memory(places: Iterable[Place], need: Need) -> int:
    """The most memory, in bytes, that a program with this need could be given where it may run; 0 where it cannot."""
    return max((place.device.memory_bytes for place in places if holds(place, need)), default=0)


def said(device: Device) -> str:
    """A size in words."""
    return f"{device.cores:g} cores and {device.memory_bytes / GIB:.3g} GiB"


def _wanted(regions: Regions) -> str:
    only = f"only {', '.join(regions.whitelist)}" if regions.whitelist else ""
    never = f"not {', '.join(regions.blacklist)}" if regions.blacklist else ""
    return ", ".join(part for part in (only, never) if part)


def _cards(places: Iterable[Place]) -> str:
    return ", ".join(sorted({card for place in places for card in place.device.gpus})) or "none"


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


def _words(name: str) -> frozenset[str]:
    return frozenset(_WORD.findall(name.casefold()))
