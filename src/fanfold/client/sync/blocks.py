# Made from aio/blocks.py by tools/make_sync_client.py; change that one.
"""Apps and engines, alike."""

from __future__ import annotations

from pathlib import Path

from fanfold.client import dev_calls
from fanfold.client.dev_calls import Kind, PushedBlock
from fanfold.client.packing import pack
from fanfold.client.pages import Page
from fanfold.client.sync.seams import in_thread
from fanfold.client.sync.transport import Transport
from fanfold.errors import BadInput
from fanfold.wire.dev import Block


class Blocks:
    """Push, activate, share and fetch blocks of one kind. A tag is `name`, `name@major` or `name@major.minor`."""

    def __init__(self, transport: Transport, kind: Kind) -> None:
        self._transport = transport
        self._kind = kind

    def push(self, path: Path | str, activate: bool = False, kind: str = "") -> PushedBlock:
        """Pack a block folder, or a single script, and push it: a new version, or a further revision of one.

        It is inactive until it is activated. `kind` says what a script is: app, partitioner or assembler. Raises
        BadManifest or BadRequest that names every problem.
        """
        package = in_thread(pack, path, kind or ("app" if self._kind is Kind.APP else ""))
        if (package.type == "app") is not (self._kind is Kind.APP):
            raise BadInput(f"'{path}' is of type '{package.type}' and cannot be pushed as {self._kind.value}")
        pushed = self._transport.perform(dev_calls.push(self._kind, package))
        if not activate:
            return pushed
        return PushedBlock(self.activate(package.tag), pushed.warnings)

    def get(self, tag: str) -> Block:
        """The highest version that a tag covers; NotFound."""
        return self._transport.perform(dev_calls.get_block(self._kind, tag))

    def list(
        self,
        public: bool = False,
        kind: str = "",
        limit: int = 50,
        offset: int = 0,
    ) -> Page[Block]:
        """A page of the account's own and imported ones, or of everybody's public and the built-in ones; `kind`: of
        engines, partitioners or assemblers only."""
        return self._transport.perform(dev_calls.list_blocks(self._kind, public, kind, limit, offset))

    def status(self, tag: str) -> str:
        """`active` or `inactive`."""
        return (self._transport.perform(dev_calls.block_status(self._kind, tag))).status

    def activate(self, tag: str) -> Block:
        """Let new jobs use it. Safe to repeat."""
        return self._transport.perform(dev_calls.command(self._kind, tag, "activate"))

    def deactivate(self, tag: str) -> Block:
        """Let no new job use it. Safe to repeat."""
        return self._transport.perform(dev_calls.command(self._kind, tag, "deactivate"))

    def publish(self, tag: str) -> Block:
        """Let other accounts see and import it. Safe to repeat."""
        return self._transport.perform(dev_calls.command(self._kind, tag, "publish"))

    def unpublish(self, tag: str) -> Block:
        """Take it back; imports stay. Safe to repeat."""
        return self._transport.perform(dev_calls.command(self._kind, tag, "unpublish"))

    def import_(self, tag: str, owner: str = "") -> Block:
        """Pin another account's public one as it is now; `owner` says whose, where several have one."""
        return self._transport.perform(dev_calls.import_block(self._kind, tag, owner))

    def download(self, tag: str) -> bytes:
        """The archive (zip or tar.gz) as it was pushed, checked by its hash."""
        return self._transport.perform(dev_calls.download_block(self._kind, self.get(tag)))

    def delete(self, tag: str) -> None:
        """Delete an own one, or an import; Conflict while an unfinished job needs it."""
        self._transport.perform(dev_calls.delete_block(self._kind, tag))
