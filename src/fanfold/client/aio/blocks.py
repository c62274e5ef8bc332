"""Apps and engines, alike."""

from __future__ import annotations

from pathlib import Path

from fanfold.client import dev_calls
from fanfold.client.aio.seams import in_thread
from fanfold.client.aio.transport import AsyncTransport
from fanfold.client.dev_calls import Kind, PushedBlock
from fanfold.client.packing import pack
from fanfold.client.pages import Page
from fanfold.errors import BadInput
from fanfold.wire.dev import Block


class AsyncBlocks:
    """Push, activate, share and fetch blocks of one kind. A tag is `name`, `name@major` or `name@major.minor`."""

    def __init__(self, transport: AsyncTransport, kind: Kind) -> None:
        self._transport = transport
        self._kind = kind

    async def push(self, path: Path | str, activate: bool = False, kind: str = "") -> PushedBlock:
        """Pack a block folder, or a single script, and push it: a new version, or a further revision of one.

        It is inactive until it is activated. `kind` says what a script is: app, partitioner or assembler. Raises
        BadManifest or BadRequest that names every problem.
        """
        package = await in_thread(pack, path, kind or ("app" if self._kind is Kind.APP else ""))
        if (package.type == "app") is not (self._kind is Kind.APP):
            raise BadInput(f"'{path}' is of type '{package.type}' and cannot be pushed as {self._kind.value}")
        pushed = await self._transport.perform(dev_calls.push(self._kind, package))
        if not activate:
            return pushed
        return PushedBlock(await self.activate(package.tag), pushed.warnings)

    async def get(self, tag: str) -> Block:
        """The highest version that a tag covers; NotFound."""
        return await self._transport.perform(dev_calls.get_block(self._kind, tag))

    async def list(
        self,
        public: bool = False,
        kind: str = "",
        limit: int = 50,
        offset: int = 0,
    ) -> Page[Block]:
        """A page of the account's own and imported ones, or of everybody's public and the built-in ones; `kind`: of
        engines, partitioners or assemblers only."""
        return await self._transport.perform(dev_calls.list_blocks(self._kind, public, kind, limit, offset))

    async def status(self, tag: str) -> str:
        """`active` or `inactive`."""
        return (await self._transport.perform(dev_calls.block_status(self._kind, tag))).status

    async def activate(self, tag: str) -> Block:
        """Let new jobs use it. Safe to repeat."""
        return await self._transport.perform(dev_calls.command(self._kind, tag, "activate"))

    async def deactivate(self, tag: str) -> Block:
        """Let no new job use it. Safe to repeat."""
        return await self._transport.perform(dev_calls.command(self._kind, tag, "deactivate"))

    async def publish(self, tag: str) -> Block:
        """Let other accounts see and import it. Safe to repeat."""
        return await self._transport.perform(dev_calls.command(self._kind, tag, "publish"))

    async def unpublish(self, tag: str) -> Block:
        """Take it back; imports stay. Safe to repeat."""
        return await self._transport.perform(dev_calls.command(self._kind, tag, "unpublish"))

    async def import_(self, tag: str, owner: str = "") -> Block:
        """Pin another account's public one as it is now; `owner` says whose, where several have one."""
        return await self._transport.perform(dev_calls.import_block(self._kind, tag, owner))

    async def download(self, tag: str) -> bytes:
        """The archive (zip or tar.gz) as it was pushed, checked by its hash."""
        return await self._transport.perform(dev_calls.download_block(self._kind, await self.get(tag)))

    async def delete(self, tag: str) -> None:
        """Delete an own one, or an import; Conflict while an unfinished job needs it."""
        await self._transport.perform(dev_calls.delete_block(self._kind, tag))
