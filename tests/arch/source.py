"""The project's own files, read once for the rules of the house."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "fanfold"


@dataclass(frozen=True)
class Module:
    """One source file: its path below src/fanfold, its room (first part of the path), text and syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The package below fanfold, or the file's own stem at the top."""
        return self.path.split("/")[0].removesuffix(".py")

    def at(self, node: ast.AST) -> str:
        """Where `node` stands, for a message."""
        return f"src/fanfold/{self.path}:{getattr(node, 'lineno', 1)}"


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file below src/fanfold."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text()
        found.append(Module(file.relative_to(PACKAGE).as_posix(), text, ast.parse(text)))
    return tuple(found)


@cache
def project_files() -> tuple[Path, ...]:
    """Every file of the project, tracked or about to be; in a source archive, every file that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not {".venv", "build"} & set(path.relative_to(ROOT).parts)]
    return tuple(path for path in paths if path.is_file())


def imported(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every imported module by its full name, wherever the import stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node
        elif isinstance(node, ast.ImportFrom) and node.module == "fanfold":
            for alias in node.names:
                yield f"fanfold.{alias.name}", node
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node


def dotted(node: ast.AST) -> str:
    """`a.b.c` for a chain of names, "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""
