"""Makes the picture of one chunk smaller."""

from __future__ import annotations

import json
import os
from pathlib import Path

from PIL import Image


def main() -> None:
    factor = json.loads(os.environ["APP_PARAMS"]).get("factor", 4)
    with Image.open(Path(os.environ["TASK_DIR"], "data.bin")) as image:
        image.reduce(factor).save(Path(os.environ["TASK_RESULTS_DIR"], "small.png"))


if __name__ == "__main__":
    main()
