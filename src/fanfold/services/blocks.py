"""Blocks of a server: pushed, activated, shared, found by tag. Own blocks come first, then imports, then built-in ones.

Every call names the account that asks; another account's block is NotFound, unless it is public and being imported.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fanfold.effects import Effects
from fanfold.errors import BadInput, Conflict, NotAllowedNow, NotFound, Problem
from fanfold.jobs.blocks import BlockType, read_manifest
from fanfold.jobs.models import PinnedBlock
from fanfold.jobs.tags import Tag, parse_tag, version_key
from fanfold.ports.blocks import BlockFilter, BlockRecord, BlockStatus, BlockStore
from fanfold.ports.clock import Clock
from fanfold.services.block_files import BlockFiles
from fanfold.services.builtin_blocks import builtin_block, builtin_records
from fanfold.services.packages import ReadBlock
from fanfold.services.pushes import Beside, Pushes, TakenBlock
from fanfold.services.registry_tokens import RegistryTokens
from fanfold.services.templates import TemplateService
from fanfold.services.validation import Blocks

MAX_PUSH_BYTES = 100 * 1024**2


@dataclass(frozen=True, slots=True)
class Pushed:
    """A block after a push, and a sentence for each key of its template that was ignored."""

    block: BlockRecord
    warnings: tuple[str, ...] = ()


class BlockService:
    """What a caller may ask about blocks. `max_push_bytes` is the largest archive that the doors let in."""

    def __init__(
        self,
        store: BlockStore,
        templates: TemplateService,
        files: BlockFiles,
        effects: Effects,
        clock: Clock,
        tokens: RegistryTokens,
        *,
        max_push_bytes: int = MAX_PUSH_BYTES,
    ) -> None:
        self._store = store
        self._templates = templates
        self._tokens = tokens
        self._pushes = Pushes(files, effects, tokens)
        self._clock = clock
        self.max_push_bytes = max_push_bytes

    # ---- for jobs

    def find(self, tag: str, wanted: BlockType, account_id: str) -> ReadBlock:
        """See `services.validation`. The highest active version that fits; NotAllowedNow where none is active."""
        parsed = parse_tag(tag)
        own = _fitting(self._store.own(account_id, (wanted,), parsed.name), parsed)
        active = [block for block in own if block.status is BlockStatus.ACTIVE]
        if own and not active:
            raise NotAllowedNow(f"{wanted.value} '{own[0].tag}' is inactive; activate it first")
        usable = active or _fitting(self._store.imported(account_id, (wanted,), parsed.name), parsed)
        if usable:
            return self._pinned(usable[0], account_id)
        return builtin_block(tag, wanted, "Push your own and activate it, or import one that is public.")

    def _pinned(self, block: BlockRecord, account_id: str) -> ReadBlock:
        if not self._pushes.kept(block.archive, block.package):
            raise NotFound(f"the files of {block.type.value} '{block.tag}' are gone from the storage; push it again")
        return _read(block, account_id)

    # ---- for people

    def push(self, account_id: str, types: Sequence[BlockType], beside: Beside, archive: IO[bytes]) -> Pushed:
        """Take a block, or a further revision of one; it is inactive until it is activated.

        Raises BadManifest that names every problem; then nothing was changed.
        """
        taken = self._pushes.take(account_id, types, beside, archive)
        block = self._store.push(self._new_record(account_id, taken))
        if taken.template is None:
            return Pushed(block)
        self._templates.put(account_id, taken.template.template)
        return Pushed(block, taken.template.warnings)

    def _new_record(self, account_id: str, taken: TakenBlock) -> BlockRecord:
        now = self._clock.now()
        return BlockRecord(
            id=str(uuid.uuid4()),
            account_id=account_id,
            type=taken.manifest.type,
            name=taken.manifest.name,
            version=taken.manifest.version,
            revision=1,
            status=BlockStatus.INACTIVE,
            description=taken.manifest.description,
            manifest=taken.data,
            schema=taken.schema,
            hash=taken.hash,
            archive=taken.archive,
            package=taken.package,
            is_public=False,
            created_at=now,
            updated_at=now,
        )

    def get(self, account_id: str, types: Sequence[BlockType], tag: str) -> BlockRecord:
        """The highest version that a tag covers, active or not: own, else imported, else built-in."""
        parsed = parse_tag(tag)
        found = (
            _fitting(self._store.own(account_id, types, parsed.name), parsed)
            or _fitting(self._store.imported(account_id, types, parsed.name), parsed)
            or _fitting([record for record in builtin_records(types) if record.name == parsed.name], parsed)
        )
        return _only_one(found, tag, types)

    def listed(self, wanted: BlockFilter) -> tuple[list[BlockRecord], int]:
        """One page, and how many there are in all; the built-in blocks stand after the public ones."""
        found, total = self._store.listed(wanted)
        if not wanted.public:
            return found, total
        builtin = builtin_records(wanted.types)
        start = max(0, wanted.offset - total)
        return found + builtin[start : start + wanted.limit - len(found)], total + len(builtin)

    def activate(self, account_id: str, types: Sequence[BlockType], tag: str) -> BlockRecord:
        """Let new jobs use a block. Safe to repeat."""
        block = self._own(account_id, types, tag)
        return self._store.set_status(block.id, BlockStatus.ACTIVE, self._clock.now())

    def deactivate(self, account_id: str, types: Sequence[BlockType], tag: str) -> BlockRecord:
        """Keep new jobs from using a block. Safe to repeat."""
        block = self._own(account_id, types, tag)
        return self._store.set_status(block.id, BlockStatus.INACTIVE, self._clock.now())

    def publish(self, account_id: str, types: Sequence[BlockType], tag: str) -> BlockRecord:
        """Let other accounts see a block, while it is active, and import it. Safe to repeat."""
        return self._store.set_public(self._own(account_id, types, tag).id, True, self._clock.now())

    def unpublish(self, account_id: str, types: Sequence[BlockType], tag: str) -> BlockRecord:
        """Take a block back; what others imported stays theirs to use. Safe to repeat."""
        return self._store.set_public(self._own(account_id, types, tag).id, False, self._clock.now())

    def import_(self, account_id: str, types: Sequence[BlockType], tag: str, owner: str = "") -> BlockRecord:
        """Pin another account's public block as it is now; `owner` says whose, where several have one."""
        parsed = parse_tag(tag)
        found = [block for block in self._store.public(types, parsed.name) if block.account_id != account_id]
        fitting = _fitting([block for block in found if owner in ("", block.account_id)], parsed)
        owners = sorted({block.account_id for block in fitting})
        if len(owners) > 1:
            raise BadInput("several accounts have it", [Problem("owner", f"say whose: {', '.join(owners)}")])
        block = _only_one(fitting, tag, types)
        for other in self._store.imported(account_id, (block.type,), block.name):
            if other.version == block.version and other.account_id != block.account_id:
                raise Conflict(f"'{block.tag}' was imported from account '{other.account_id}'; delete that first")
        self._store.pin(account_id, block, self._clock.now())
        return self.get(account_id, (block.type,), block.tag)

    def delete(self, account_id: str, types: Sequence[BlockType], tag: str) -> BlockRecord:
        """Delete an own block or an import; Conflict while an unfinished job of the account needs it."""
        block = self.get(account_id, types, tag)
        if not block.archive:
            raise BadInput(f"'{block.tag}' is built in and cannot be deleted")
        self._store.delete(account_id, block, self._clock.now())
        if block.account_id == account_id:
            self._tokens.forget(account_id, block.type, block.name, block.version)
        return block

    def archive(self, account_id: str, types: Sequence[BlockType], tag: str) -> tuple[BlockRecord, Path]:
        """A block with the file that was pushed, byte for byte."""
        block = self.get(account_id, types, tag)
        if not block.archive:
            raise NotFound(f"'{block.tag}' is built in; there is no archive of it")
        return block, self._pushes.archive(block.archive)

    def sweep(self) -> None:
        """Remove what pushes left behind that were cut off; for the start of a server."""
        self._pushes.sweep()

    def _own(self, account_id: str, types: Sequence[BlockType], tag: str) -> BlockRecord:
        block = self.get(account_id, types, tag)
        if block.account_id != account_id:
            raise BadInput(f"'{block.tag}' belongs to '{block.account_id}'; only its owner can change it")
        return block


def _fitting(records: Sequence[BlockRecord], tag: Tag) -> list[BlockRecord]:
    """Those that a tag covers, the highest version first."""
    covered = [record for record in records if tag.covers(record.version)]
    return sorted(covered, key=lambda record: version_key(record.version), reverse=True)


def _only_one(found: Sequence[BlockRecord], tag: str, types: Sequence[BlockType]) -> BlockRecord:
    """The highest version; BadInput where a partitioner and an assembler share the name."""
    if not found:
        raise NotFound(f"there is no {' or '.join(kind.value for kind in types)} '{tag[:100]}'")
    kinds = sorted({record.type.value for record in found})
    if len(kinds) > 1:
        said = f"'{tag[:100]}' names an assembler and a partitioner; say which with ?type={kinds[0]}"
        raise BadInput("two blocks have this name", [Problem("type", said)])
    return found[0]


def _read(block: BlockRecord, account_id: str) -> ReadBlock:
    pinned = PinnedBlock(
        id=block.id,
        name=block.name,
        version=block.version,
        revision=block.revision,
        sha256=block.package.rpartition("/")[2],
        package=block.package,
        builtin=False,
        manifest=block.manifest,
        imported=block.account_id != account_id,
    )
    return ReadBlock(read_manifest(block.manifest), dict(block.schema), pinned)


_fits: type[Blocks] = BlockService
