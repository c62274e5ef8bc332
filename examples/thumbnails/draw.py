"""Draws six pictures of circles and slopes into a folder: draw.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw

SIZE = (480, 320)


def drawn(number: int) -> Image.Image:
    """One picture: a slope from light to dark in one colour, and a circle."""
    slope = Image.linear_gradient("L").resize(SIZE).rotate(number * 60)
    light = [slope.point(lambda value, part=part: value * (part + 1) * (number + 1) // 24) for part in range(3)]
    image = Image.merge("RGB", light)
    ImageDraw.Draw(image).ellipse((60 * number, 40, 60 * number + 120, 160), fill=(200, 30 * number, 255))
    return image


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for number in range(6):
        drawn(number).save(folder / f"{number}.png")
