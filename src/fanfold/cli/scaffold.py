"""New blocks that run as they are."""

from __future__ import annotations

import json
from pathlib import Path

from fanfold.errors import BadInput, Conflict, Problem
from fanfold.jobs.blocks import BlockType, read_manifest

_APP = '''"""Runs once per chunk: reads TASK_DIR/data.bin, writes any files into TASK_RESULTS_DIR."""

import json
import os
from pathlib import Path

params = json.loads(os.environ["APP_PARAMS"])
chunk = Path(os.environ["TASK_DIR"], "data.bin").read_text(encoding="utf-8")

result = chunk.upper() if params.get("upper", True) else chunk

Path(os.environ["TASK_RESULTS_DIR"], "result.txt").write_text(result, encoding="utf-8")
print(f"INFO {len(chunk)} characters")
'''

_PARTITIONER = '''"""Runs once: reads the files in SOURCE_DIR, writes CHUNKS_DIR/data_0.bin, data_1.bin, ..."""

import os
import shutil
from pathlib import Path

chunks = Path(os.environ["CHUNKS_DIR"])
for index, source in enumerate(sorted(Path(os.environ["SOURCE_DIR"]).rglob("*"))):
    shutil.copyfile(source, chunks / f"data_{index}.bin")
'''

_ASSEMBLER = '''"""Runs once: reads the result files in TASK_RESULTS_DIR, writes the output into OUTPUT_DIR."""

import json
import os
from pathlib import Path

results = Path(os.environ["TASK_RESULTS_DIR"])
index = json.loads(Path(os.environ["FANFOLD_RESULTS_INDEX"]).read_text(encoding="utf-8"))

with open(Path(os.environ["OUTPUT_DIR"], "output.bin"), "wb") as output:
    for entry in index["files"]:  # in chunk order
        output.write((results / entry["path"]).read_bytes())
'''

_PROGRAMS = {BlockType.APP: _APP, BlockType.PARTITIONER: _PARTITIONER, BlockType.ASSEMBLER: _ASSEMBLER}


def make_block(name: str, kind: BlockType, parent: Path) -> Path:
    """Write a new block's folder; raises BadInput for a name that is none, Conflict where the folder exists."""
    data = {
        "name": name,
        "version": "0.1",
        "type": kind.value,
        "description": f"What {name} does, in one sentence.",
        "entrypoint": "main.py",
        "platform": "process",
        "device_requirements": {"min_cpu": 1, "min_memory": 1},
    }
    read_manifest(data)
    folder = parent / name
    if folder.exists():
        raise Conflict(f"'{folder}' exists already; choose another name")
    if not parent.is_dir():
        raise BadInput("the block cannot be made", [Problem("--in", f"'{parent}' is not a folder")])
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "main.py").write_text(_PROGRAMS[kind], encoding="utf-8")
    _write_json(folder / "manifest.json", data)
    properties = {"upper": {"type": "boolean", "default": True, "description": "Write in capitals."}}
    schema = {
        "type": "object",
        "properties": properties if kind is BlockType.APP else {},
        "additionalProperties": False,
    }
    _write_json(folder / "schema.json", schema)
    return folder


def _write_json(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
