"""Counts the events of one chunk by whole magnitude, and by kind.

A chunk is a JSON array of GeoJSON features as the U.S. Geological Survey publishes them.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any

Feature = dict[str, Any]


def magnitude(feature: Feature) -> str:
    """The class an event falls into: "4" for 4.0 up to 4.9; "unknown" where no magnitude was measured."""
    value = feature["properties"]["mag"]
    return "unknown" if value is None else str(math.floor(value))


def kind(feature: Feature) -> str:
    """What shook: "earthquake", "explosion", "quarry blast"."""
    return str(feature["properties"]["type"])


def main() -> None:
    features: list[Feature] = json.loads(Path(os.environ["TASK_DIR"], "data.bin").read_bytes())
    result = {
        "events": len(features),
        "by_magnitude": Counter(map(magnitude, features)),
        "by_kind": Counter(map(kind, features)),
    }
    Path(os.environ["TASK_RESULTS_DIR"], "events.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
