"""The templates of an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fanfold.client import dev_calls
from fanfold.client.aio.transport import AsyncTransport
from fanfold.client.fields import plain
from fanfold.client.pages import Page, page_of
from fanfold.wire.dev import TemplateAnswer, TemplateTemplate


class AsyncTemplates:
    """Write, read and share templates."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def push(self, template: Mapping[str, Any]) -> TemplateAnswer:
        """Make a template, or change the one of that id. `warnings` of the answer tell what was ignored."""
        return await self._transport.perform(dev_calls.put_template(plain(template)))

    async def get(self, template_id: str) -> TemplateTemplate:
        """One template; NotFound."""
        return (await self._transport.perform(dev_calls.get_template(template_id))).template

    async def list(self, public: bool = False, limit: int = 50, offset: int = 0) -> Page[TemplateTemplate]:
        """A page of the account's templates, or of everybody's public ones."""
        answer = await self._transport.perform(dev_calls.list_templates(public, limit, offset))
        return page_of(answer.templates, answer.pagination)

    async def publish(self, template_id: str) -> TemplateTemplate:
        """Let other accounts see and import it."""
        return (await self._transport.perform(dev_calls.template_command(template_id, "publish"))).template

    async def unpublish(self, template_id: str) -> TemplateTemplate:
        """Take it back."""
        return (await self._transport.perform(dev_calls.template_command(template_id, "unpublish"))).template

    async def import_(self, template_id: str, owner: str = "") -> TemplateTemplate:
        """Copy another account's public one; `owner` says whose, where several have one."""
        return (await self._transport.perform(dev_calls.import_template(template_id, owner))).template

    async def delete(self, template_id: str) -> None:
        """Delete it; jobs made from it keep its values."""
        await self._transport.perform(dev_calls.delete_template(template_id))
