"""What `fanfold db check` finds: the database from outside in, then the keys and the files that belong to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fanfold.cli.diagnosis import Finding, State
from fanfold.effects import Effects
from fanfold.errors import Conflict, FanfoldError
from fanfold.settings import Settings

if TYPE_CHECKING:
    from fanfold.stores.database import Database


def found_in(settings: Settings) -> list[Finding]:
    """Everything; a database that is in use by a server is looked at where it can be."""
    from fanfold.server.tending import check_there, tended

    effects = Effects()
    try:
        check_there(settings)
        try:
            with tended(settings, effects) as database:
                return [*_of_database(database), *_of_keys(settings, database), *_of_files(settings, database)]
        except Conflict as err:
            if not settings.database:
                return [Finding("database", State.MISSING, f"not looked at: {err.message}", err.hint)]
        with tended(settings, effects, alone=False) as database:
            return [*_of_database(database), *_of_keys(settings, database), _files_in_use(settings)]
    except FanfoldError as err:
        return [Finding("database", State.BROKEN, err.message, err.hint)]


def _of_database(database: Database) -> Iterator[Finding]:
    from fanfold.stores.health import seen

    with database.reading() as connection:
        for one in seen(connection):
            yield Finding(one.what, State.BROKEN if one.mend else State.OK, one.found, one.mend)


def _of_keys(settings: Settings, database: Database) -> Iterator[Finding]:
    """Whether the keys are there that the rows need."""
    from fanfold.services.sealing import FILE_NAME as MASTER_KEY_FILE
    from fanfold.services.sealing import Sealer
    from fanfold.services.server_keys import FILE_NAME, server_keys
    from fanfold.stores.health import keys_wanted

    with database.reading() as connection:
        api_keys, masters = keys_wanted(connection)
    path = settings.state / FILE_NAME
    if api_keys and not path.exists():
        mend = "Bring it back from a backup; without it all API keys are void."
        yield Finding("server keys", State.BROKEN, f"'{path}' is not there; {api_keys} API keys need it", mend)
    elif path.exists():
        server_keys(settings.state, Effects())
        yield Finding("server keys", State.OK, str(path))
    place = Path(settings.master_key_file or settings.state / MASTER_KEY_FILE)
    if not masters:
        return
    there = settings.master_key or place.exists()
    sealer = Sealer(place, Effects(), settings.master_key) if there else None
    lost = sorted(name for name in masters if sealer is None or not sealer.knows(name))
    said = "given as a setting" if settings.master_key else f"'{place}'"
    if lost:
        mend = "Bring it back from a backup, or give it (FANFOLD_MASTER_KEY); without it those secrets are lost."
        yield Finding("master key", State.BROKEN, f"{said} lacks what secrets are sealed with: {', '.join(lost)}", mend)
    else:
        yield Finding("master key", State.OK, said)


def _of_files(settings: Settings, database: Database) -> Iterator[Finding]:
    """Whether what the rows promise lies in the state folder."""
    from fanfold.pipeline.invariants import check_files
    from fanfold.pipeline.workspace import Workspace
    from fanfold.services.arriving import problem_of
    from fanfold.stores.health import DEFECT, is_of_this_release
    from fanfold.stores.sql import SqlStore

    if said := problem_of(settings.state):
        yield Finding("files", State.BROKEN, said, "Import again.")
    with database.reading() as connection:
        if not is_of_this_release(connection):
            return
    broken = check_files(SqlStore(database), Workspace(settings.state, Effects()))
    for sentence in broken:
        yield Finding("files", State.BROKEN, sentence, f"Put back what is missing from a backup. {DEFECT}")
    if not broken:
        yield Finding("files", State.OK, f"'{settings.state}' has what the rows promise")


def _files_in_use(settings: Settings) -> Finding:
    found = f"'{settings.state}' is in use, so its files were not looked at"
    return Finding("files", State.MISSING, found, "Stop the servers, and check again.")
