"""Templates: the defaults of jobs under a name, an account's own or copied from what another made public."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fanfold.errors import BadInput, Conflict, NotFound, Problem
from fanfold.jobs.blocks import Template
from fanfold.jobs.models import JsonObject
from fanfold.jobs.templates import applied
from fanfold.ports.clock import Clock
from fanfold.ports.templates import TemplateRecord, TemplateStore


class TemplateService:
    """What a caller may ask about templates. Another account's template is NotFound, unless it is public."""

    def __init__(self, store: TemplateStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def put(self, account_id: str, template: Template) -> TemplateRecord:
        """Make a template, or overwrite the account's one of that id."""
        now = self._clock.now()
        return self._store.put(TemplateRecord(account_id, template, is_public=False, created_at=now, updated_at=now))

    def record(self, account_id: str, template_id: str) -> TemplateRecord:
        """One of the account's templates with all that is known of it."""
        found = self._store.template(account_id, template_id)
        if found is None:
            raise NotFound(f"there is no template '{template_id[:100]}'")
        return found

    def get(self, account_id: str, template_id: str) -> Template:
        """One of the account's templates."""
        return self.record(account_id, template_id).template

    def listed(self, account_id: str, limit: int, offset: int) -> tuple[list[TemplateRecord], int]:
        """One page of the account's templates by id, and how many there are in all."""
        return self._store.listed(account_id, limit, offset)

    def public(self, limit: int, offset: int) -> tuple[list[TemplateRecord], int]:
        """One page of all accounts' public templates by id, and how many there are in all."""
        return self._store.listed(None, limit, offset)

    def apply(self, template: Template, own: JsonObject) -> dict[str, Any]:
        """A job request (camelCase) over the template's values, key by key."""
        return applied(template, own)

    def publish(self, account_id: str, template_id: str) -> TemplateRecord:
        """Let other accounts see and import a template."""
        return self._set_public(account_id, template_id, True)

    def unpublish(self, account_id: str, template_id: str) -> TemplateRecord:
        """Take a template back; copies that others made stay theirs."""
        return self._set_public(account_id, template_id, False)

    def _set_public(self, account_id: str, template_id: str, is_public: bool) -> TemplateRecord:
        self.record(account_id, template_id)
        return self._store.set_public(account_id, template_id, is_public, self._clock.now())

    def import_(self, account_id: str, template_id: str, owner: str = "") -> TemplateRecord:
        """Copy a public template of another account, or copy it again; `owner` says whose, where several have one."""
        found = [record for record in self._store.public(template_id) if record.account_id != account_id]
        wanted = [record for record in found if owner in ("", record.account_id)]
        if not wanted:
            raise NotFound(f"there is no public template '{template_id[:100]}'")
        if len(wanted) > 1:
            owners = ", ".join(sorted(record.account_id for record in wanted))
            raise BadInput("several accounts have it", [Problem("owner", f"say whose: {owners}")])
        source = wanted[0].account_id
        mine = self._store.template(account_id, template_id)
        if mine is not None and mine.imported_from != source:
            raise Conflict(f"there is a template '{template_id}' already; delete it first")
        now = self._clock.now()
        copy = replace(wanted[0], account_id=account_id, is_public=False, imported_from=source)
        return self._store.put(replace(copy, created_at=now, updated_at=now))

    def delete(self, account_id: str, template_id: str) -> None:
        """Delete a template; jobs made from it keep its values."""
        if not self._store.delete(account_id, template_id, self._clock.now()):
            raise NotFound(f"there is no template '{template_id[:100]}'")
