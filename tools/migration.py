"""Writes a migration: what the tables of the code have and those that the migrations make have not.

    .venv/bin/python tools/migration.py 0002 "give jobs a colour"

A script is read and mended by a person afterwards; once it is released it is never changed again. Until the first
release the only one is written anew from nothing: tools/migration.py 0001 "the first tables" --anew
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations.ops import MigrateOperation, UpgradeOps
from alembic.runtime.migration import MigrationContext

from fanfold.stores import migrate
from fanfold.stores.schema import metadata

HEADER = '''"""{what}."""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {before}


def upgrade() -> None:
    """Go there; there is no way back but a copy from before."""
    {calls}
{parts}'''

PART = """

def _{table}() -> None:
    {body}
"""


def plain_type(kind: str, item: Any, _context: Any) -> str | bool:
    """Our own column types as what they are in the database, so that a script never changes with them."""
    if kind == "type" and isinstance(item, sa.types.TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


def changes(anew: bool) -> dict[str, list[MigrateOperation]]:
    """Table by table, what leads from what the migrations make to what the code knows."""
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        if not anew:
            config = Config()
            config.set_main_option("script_location", str(migrate.MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        found = produce_migrations(MigrationContext.configure(connection), metadata)
    assert found.upgrade_ops is not None
    by_table: dict[str, list[MigrateOperation]] = {}
    for operation in found.upgrade_ops.ops:
        by_table.setdefault(getattr(operation, "table_name", "others"), []).append(operation)
    return by_table


def rendered(operations: list[MigrateOperation]) -> str:
    """The statements of one table."""
    text = render_python_code(UpgradeOps(ops=operations), render_item=plain_type)
    return "\n".join(line for line in text.splitlines() if "# ###" not in line).strip()


def main() -> None:
    """Write the script, formatted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision")
    parser.add_argument("what")
    parser.add_argument("--anew", action="store_true")
    asked = parser.parse_args()
    what = asked.what[:1].upper() + asked.what[1:]
    before = None if asked.anew else repr(migrate.HEAD)
    tables = changes(asked.anew)
    text = HEADER.format(
        what=what,
        revision=asked.revision,
        before=before,
        calls="\n    ".join(f"_{table}()" for table in tables),
        parts="".join(PART.format(table=table, body=rendered(listed)) for table, listed in tables.items()),
    )
    name = "_".join([asked.revision, *asked.what.lower().split()])
    path = Path(migrate.MIGRATIONS, "versions", f"{name}.py")
    path.write_text(text)
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "--quiet", "--fix", path], check=True)
    subprocess.run([*ruff, "format", "--quiet", path], check=True)


if __name__ == "__main__":
    main()
