"""What a server remembers of templates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from fanfold.jobs.blocks import Template


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """An account's template. One that was imported is a copy; `imported_from` is the account it came from, or ""."""

    account_id: str
    template: Template
    is_public: bool
    created_at: datetime
    updated_at: datetime
    imported_from: str = ""


class TemplateStore(Protocol):
    """Durable when a call returns. Deleted templates are not seen. Raises Unavailable, OutOfSpace."""

    def put(self, record: TemplateRecord) -> TemplateRecord:
        """Write a template under its id, over the account's one of that id, whose creation time and publicity stay.
        Returns what was written."""

    def template(self, account_id: str, template_id: str) -> TemplateRecord | None:
        """One of the account's templates."""

    def public(self, template_id: str) -> list[TemplateRecord]:
        """The templates of an id that any account has made public."""

    def listed(self, account_id: str | None, limit: int, offset: int) -> tuple[list[TemplateRecord], int]:
        """One page by id of an account's templates, or of all public ones (None), and how many there are in all."""

    def set_public(self, account_id: str, template_id: str, is_public: bool, at: datetime) -> TemplateRecord:
        """Publish or take back; NotFound."""

    def delete(self, account_id: str, template_id: str, at: datetime) -> bool:
        """Delete a template; False where there was none."""
