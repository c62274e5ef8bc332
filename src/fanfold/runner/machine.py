"""What the machine of a runner has."""

from __future__ import annotations

import os
from pathlib import Path

from fanfold.jobs.blocks import Device

NVIDIA = Path("/proc/driver/nvidia/gpus")


def device_here(cards: Path = NVIDIA) -> Device:
    """Its cores, its memory, and the models of its cards as NVIDIA's driver lists them below `cards`."""
    lines = [line for file in sorted(cards.glob("*/information")) for line in file.read_text().splitlines()]
    models = tuple(line.removeprefix("Model:").strip() for line in lines if line.startswith("Model:"))
    return Device(float(os.cpu_count() or 1), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), models)
