"""Nothing in the project names one machine, one registry or one place it was made."""

import re

from tests.arch.source import ROOT, project_files

# Spelled in parts, so that this file passes its own rule.
MACHINE_FOLDERS = ("work", "root", "home", "Users")
SCRATCH = ("tmp", "var/tmp")
REGISTRIES = (
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("npmjs", "org"),
    ("debian", "org"),
    ("anaconda", "org"),
    ("docker", "io"),
    ("quay", "io"),
    ("ghcr", "io"),
)
FORBIDDEN = re.compile(
    "|".join(
        [
            rf"(?<![\w.~}}])/(?:{'|'.join(MACHINE_FOLDERS)})/",
            rf"(?<![\w.~}}])/(?:{'|'.join(SCRATCH)})/[a-z]+-?[0-9]*/",
            r"\.\./" + "shared",
            *(re.escape(".".join(parts)) for parts in REGISTRIES),
        ]
    )
)
LOCK_LINE = re.compile(r"\s*#.*|\s*--hash=sha256:[0-9a-f]{64}( \\)?|[a-z0-9._-]+(\[[a-z,]+\])?==[^ +]+( ; [^\\]+)? \\|")


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = []
    for file in project_files():
        try:
            lines = file.read_text().splitlines()
        except UnicodeDecodeError:
            continue  # data, not words
        name = file.relative_to(ROOT)
        found += [
            f"{name}:{number}: {line.strip()[:120]}" for number, line in enumerate(lines, 1) if FORBIDDEN.search(line)
        ]
    assert not found, "\n".join(found)


def test_lock_files_hold_versions_and_hashes_only() -> None:
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    assert [lock.name for lock in locks] == ["dev.lock", "runtime.lock", "setup.lock"]
    for lock in locks:
        odd = [line for line in lock.read_text().splitlines() if not LOCK_LINE.fullmatch(line)]
        assert not odd, f"{lock.name}: no options, hosts, files or local builds: {odd}"


def test_documentation_loads_nothing_from_elsewhere() -> None:
    settings = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in settings
    assert not re.search(r"extra_(javascript|css):(\n\s+- .*)*https?:", settings)
    diagrams = [
        file.name
        for file in (ROOT / "docs").rglob("*.md")
        if re.search(r"^\s*```\s*mermaid", file.read_text(), re.MULTILINE)
    ]
    assert not diagrams, f"mermaid is loaded from a foreign host; draw with text: {diagrams}"
