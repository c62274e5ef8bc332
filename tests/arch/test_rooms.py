"""What import-linter cannot say: which library belongs to which room, and what a pure room may not do."""

import ast
import re
import sys

import pytest

from fanfold import registry
from tests.arch.source import PACKAGE, ROOT, dotted, imported, modules

# A library, and the only places that may import it: rooms (folders or top modules) or single files.
HOMES = {
    "alembic": {"stores"},
    "cryptography": {"services/sealing.py"},
    "fastapi": {"api", "console", "server"},
    "httpx": {"client", "net"},
    "jinja2": {"console"},
    "obstore": {"net", "blobs", "datasources"},
    "PIL": {"builtin/pictures.py"},
    "prometheus_client": {"api", "effects"},
    "psycopg": {"stores"},
    "psycopg_pool": {"stores"},
    "pyarrow": {"builtin/parquet.py"},
    "pydantic": {"wire", "api", "client/fields.py"},
    "pyseccomp": {"platforms"},
    "ray": {"executors/ray_bridge.py", "node.py"},
    "rich": {"cli"},
    "sqlalchemy": {"stores"},
    "sqlite3": {"stores"},
    "starlette": {"api", "console", "server"},
    "typer": {"cli"},
    "uvicorn": {"server"},
}

# What a room may import of Fanfold besides itself, where that is less than its layer in pyproject.toml allows.
SEES = {
    "blobs": {"archives", "services", "ports", "jobs", "effects", "errors"},
    "builtin": set(),
    "client": {"wire", "errors", "__version__"},
    "datasources": {"net", "ports", "jobs", "effects", "errors"},
    "effects": {"errors"},
    "errors": set(),
    "events": {"net", "ports", "jobs", "effects", "errors"},
    "jobs": {"errors"},
    "platforms": {"runner", "ports", "jobs", "effects", "errors"},
    "ports": {"jobs", "errors"},
    "registry": {"errors"},
    "runner": {"clocks", "net", "ports", "jobs", "effects", "errors", "registry"},
    "services": {"archives", "builtin", "effects", "errors", "jobs", "ports"},
    "settings": {"errors"},
    "stores": {"ports", "jobs", "effects", "errors"},
    "wire": set(),
}
# The root of a process of its own, which puts its parts together.
ROOTS = {"runner/__main__.py": {"platforms"}}
SETTINGS_READERS = {"api", "cli", "console", "places", "server", "settings", "wiring"}

# Calls that ask the clock, chance or the disk; a pure room is handed the answer.
IMPURE_CALLS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "open", "input", "print"}
PURE_PATHS = {"PurePath", "PurePosixPath"}

TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?P<code>\[[a-z-]+\])?(?P<reason>.*)")
STUB_CODES = {"[import-untyped]", "[import-not-found]"}


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_library_is_imported_in_its_own_room_only(library: str) -> None:
    found = [
        f"{module.at(node)}: {name} belongs to {sorted(HOMES[library])}"
        for module in modules()
        for name, node in imported(module.tree)
        if name.split(".")[0] == library and not {module.room, module.path} & HOMES[library]
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("room", sorted(SEES))
def test_a_room_sees_what_it_needs_and_no_more(room: str) -> None:
    found = [
        f"{module.at(node)}: {room} may not know {name}"
        for module in modules()
        if module.room == room
        for name, node in imported(module.tree)
        if seen_room(name) not in {"", room} | SEES[room] | ROOTS.get(module.path, set())
    ]
    assert not found, "\n".join(found)


def seen_room(name: str) -> str:
    """`jobs` for `fanfold.jobs.models`; "" for what is not Fanfold's, and for the version in its root."""
    root, _, rest = name.partition(".")
    return rest.partition(".")[0] if root == "fanfold" else ""


def test_settings_are_read_by_wiring_and_the_doors_only() -> None:
    found = [
        f"{module.at(node)}: take the value as an argument"
        for module in modules()
        if module.room not in SETTINGS_READERS
        for name, node in imported(module.tree)
        if seen_room(name) == "settings"
    ]
    assert not found, "\n".join(found)


def test_built_in_blocks_need_the_standard_library_only_but_for_the_homes_of_extras() -> None:
    found = [
        f"{module.at(node)}: {name}"
        for module in modules()
        if module.room == "builtin"
        for name, node in imported(module.tree)
        if name.split(".")[0] not in sys.stdlib_module_names | {"fanfold"}
        and module.path not in HOMES.get(name.split(".")[0], ())
    ]
    assert not found, "\n".join(found)


def test_jobs_ask_neither_clock_nor_disk() -> None:
    found = [
        f"{module.at(node)}: {dotted(node.func)}()"
        for module in modules()
        if module.room == "jobs"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and dotted(node.func) in IMPURE_CALLS
    ]
    assert not found, "\n".join(found)


def test_jobs_know_paths_as_names_only() -> None:
    found = [
        f"{module.at(node)}: of pathlib, only {sorted(PURE_PATHS)}"
        for module in modules()
        if module.room == "jobs"
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Import) and any(alias.name == "pathlib" for alias in node.names))
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "pathlib"
            and not {alias.name for alias in node.names} <= PURE_PATHS
        )
    ]
    assert not found, "\n".join(found)


def test_an_ignored_type_error_is_a_missing_stub_with_code_and_reason() -> None:
    found = []
    for module in modules():
        for number, line in enumerate(module.text.splitlines(), start=1):
            ignored = TYPE_IGNORE.search(line)
            if ignored and (ignored["code"] not in STUB_CODES or not ignored["reason"].strip(" #")):
                found.append(f"src/fanfold/{module.path}:{number}: {line.strip()}")
    assert not found, "\n".join(found)


def registered() -> dict[str, str]:
    """Class name by file, for every adapter that a registry names."""
    found = {}
    for table in vars(registry).values():
        if isinstance(table, dict):
            places = [str(place).partition(":") for place in table.values() if str(place).startswith("fanfold.")]
            found |= {module.split(".", 1)[1].replace(".", "/") + ".py": name for module, _, name in places}
    return found


def test_an_adapter_says_which_port_it_fits() -> None:
    adapters = registered()
    assert adapters, "registry.py names adapters as module:Class"
    found = [
        f"src/fanfold/{path}: must end with `_fits: type[Port] = {name}`"
        for path, name in adapters.items()
        if not re.search(rf"^_fits: type\[\w+\] = {name}$", (PACKAGE / path).read_text(), re.MULTILINE)
    ]
    assert not found, "\n".join(found)


def test_the_picture_of_the_house_shows_every_room() -> None:
    picture = (ROOT / "docs" / "architecture.md").read_text()
    missing = {module.room for module in modules()} - {"__init__", "__main__"}
    missing = {room for room in missing if not re.search(rf"\b{re.escape(room)}(/|\.py)", picture)}
    assert not missing, f"not in docs/architecture.md: {sorted(missing)}"
