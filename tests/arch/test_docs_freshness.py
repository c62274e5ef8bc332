"""What the code knows, the documentation knows: states, reasons, error codes, variables, settings, built-in blocks."""

import dataclasses
import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

import fanfold.api.problems
import fanfold.client.errors  # noqa: F401 - its errors join the tree
from fanfold import errors
from fanfold.builtin.registry import BUILTIN, load
from fanfold.cli.app import app
from fanfold.cli.exits import Exit
from fanfold.jobs import contract
from fanfold.jobs.models import JobState, TaskState
from fanfold.jobs.task_lifecycle import Reason
from tests.arch.source import PACKAGE, ROOT

REFERENCE = ROOT / "docs" / "reference"
FIRST_CELL = re.compile(r"^\| `([^`]+)`", re.MULTILINE)


def rows(page: str, heading: str = "") -> set[str]:
    """The code words that open a table row of a reference page, or of the part of it below `heading`."""
    text = (REFERENCE / page).read_text()
    return set(FIRST_CELL.findall(text.partition(heading)[2] if heading else text))


def error_tree(root: type[errors.FanfoldError]) -> Iterator[type[errors.FanfoldError]]:
    yield root
    for child in root.__subclasses__():
        yield from error_tree(child)


def test_every_state_and_reason_has_its_row_and_no_row_is_stale() -> None:
    known = {item.value for kind in (JobState, TaskState, Reason) for item in kind}
    assert rows("states.md") == known


def test_every_error_code_has_its_row_and_no_row_is_stale() -> None:
    known = {error.code for error in error_tree(errors.FanfoldError)}
    assert rows("errors.md") == known


def test_whether_to_try_again_is_told_as_the_code_has_it() -> None:
    page = (REFERENCE / "errors.md").read_text()
    for error in error_tree(errors.FanfoldError):
        assert f"| `{error.code}` | {'yes' if error.retryable else 'no'} |" in page


def test_every_variable_that_a_program_is_given_is_documented() -> None:
    page = (REFERENCE / "contract.md").read_text()
    words = [value for value in vars(contract).values() if isinstance(value, str)]
    names = {word for word in words if re.fullmatch(r"[A-Z]+(_[A-Z]+)+", word)}
    names |= {folders.params for folders in contract.FOLDERS.values()}
    assert names, "the contract names its variables as constants"
    assert not {name for name in names if f"`{name}" not in page}


def test_every_setting_has_its_row_and_no_row_is_stale() -> None:
    if not (PACKAGE / "settings.py").exists():
        pytest.skip("there are no settings yet")
    settings = importlib.import_module("fanfold.settings").Settings
    assert rows("settings.md") == {field.name for field in dataclasses.fields(settings)}


@pytest.mark.parametrize(("role", "name"), [(role, name) for role, table in BUILTIN.items() for name in table])
def test_every_built_in_block_is_described_with_its_params(role: str, name: str) -> None:
    block = load(role, name)
    heading = re.compile(rf"^#.*(?<![\w-]){name}(?![\w-])", re.MULTILINE)
    pages = [file.read_text() for file in sorted((REFERENCE / "blocks").glob("*.md"))]
    described = "".join(page for page in pages if heading.search(page))
    assert described, f"no heading for '{name}' in docs/reference/blocks/"
    assert not [param for param in block.schema.get("properties", {}) if f"`{param}`" not in described]


def options(command: Any) -> Iterator[str]:
    """Every option of a command and of the commands below it, in all its spellings."""
    for parameter in command.params:
        yield from parameter.opts if parameter.param_type_name == "option" else ()
    for child in getattr(command, "commands", {}).values():
        yield from options(child)


def test_every_option_of_every_command_is_documented_and_no_row_is_stale() -> None:
    page = (REFERENCE / "cli.md").read_text()
    described = {
        word for row in re.findall(r"^\| (`-.*?) \|", page, re.MULTILINE) for word in re.findall(r"`(.+?)`", row)
    }
    shell = {"--help", "-h", "--install-completion", "--show-completion"}
    assert described == set(options(get_command(app))) - shell


def test_every_exit_code_is_documented_and_no_row_is_stale() -> None:
    page = (REFERENCE / "cli.md").read_text()
    described = set(re.findall(r"^\| (\d+) \| `(\w+)`", page, re.MULTILINE))
    assert described == {(str(code.value), code.name) for code in Exit}
