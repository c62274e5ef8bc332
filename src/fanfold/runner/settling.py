"""What becomes of programs that have ended: their results are looked at, brought to disk and published, some together.

A disk takes as long for one result as for some, so those that end meanwhile are settled together, in a thread, while
the next programs run. Order of a publication: fsync of every file and its folder, rename of the folder to its final
name, fsync of the folder that holds it; then the report, and elsewhere the commit that decides who won.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from fanfold.effects import DISK_IS_FULL
from fanfold.errors import OutOfSpace, Unavailable
from fanfold.jobs.task_lifecycle import Reason
from fanfold.ports.blobs import Blobs, Publication, PublishesTogether
from fanfold.ports.platform import Ended
from fanfold.runner.staging import BadResult, Taken, TooLarge, take_result

if TYPE_CHECKING:
    from fanfold.runner.run import Run

TOGETHER, GATHER_S = 8, 0.05
"""With so many results, or after that time, all that have come are settled together."""


class _Settling:
    """One run on its way from its program's end to its outcome."""

    def __init__(self, run: Run, ended: Ended) -> None:
        self.run = run
        self._ended = ended
        self._taken: Taken | None = None

    def judge(self) -> None:
        """Tell what its end means; where it ended well, look at its result."""
        run = self.run
        if run.judge(self._ended):
            most = None if run.order.trusted else run.rules.max_disk_bytes
            with self.taking():
                self._taken = take_result(run.folders.writes, run.order.hash_results, most)

    @property
    def publication(self) -> Publication | None:
        """What is to be published of it."""
        folders = self.run.folders
        return None if self._taken is None else Publication(folders.writes, folders.published, self._taken.names)

    def conclude(self) -> None:
        """Its result is published, where nothing else was told of it."""
        if self._taken is not None and self.run.outcome is None:
            self.run.succeed(self._taken.manifest, self._ended)
        self.run.clean()

    @contextlib.contextmanager
    def taking(self) -> Iterator[None]:
        """Around all that looks at or moves its result: what goes wrong is the attempt's end."""
        try:
            yield
        except TooLarge as err:
            self._fail(Reason.DISK_LIMIT, str(err))
        except BadResult as err:
            self._fail(Reason.BAD_RESULT, str(err))
        except OutOfSpace as err:
            self._fail(Reason.DISK_FULL, str(err))
        except Unavailable as err:
            self.run.give_back(err, self._ended)
        except OSError as err:
            self._fail(*_untaken(err))

    def _fail(self, reason: Reason, message: str) -> None:
        self.run.fail(reason, message, self._ended)


def _untaken(err: OSError) -> tuple[Reason, str]:
    """Why a result could not be published: a full disk, or what the program did to its folder."""
    reason = Reason.DISK_FULL if err.errno in DISK_IS_FULL else Reason.BAD_RESULT
    return reason, f"the result cannot be taken: {err}"


def settle(ended: Sequence[tuple[Run, Ended]]) -> None:
    """Publish or drop what programs made, and clean up; afterwards every run has its outcome."""
    settlings = [_Settling(run, end) for run, end in ended]
    for settling in settlings:
        settling.judge()
    for blobs in {id(run.blobs): run.blobs for run, _ in ended}.values():
        _publish([settling for settling in settlings if settling.run.blobs is blobs], blobs)
    for settling in settlings:
        settling.conclude()


def _publish(settlings: Sequence[_Settling], blobs: Blobs) -> None:
    wanted = [(settling, wish) for settling in settlings if (wish := settling.publication) is not None]
    if not isinstance(blobs, PublishesTogether):
        for settling, wish in wanted:
            with settling.taking():
                blobs.publish(wish.made, wish.path, wish.names)
        return
    errors = blobs.publish_all([wish for _, wish in wanted])
    for (settling, _), error in zip(wanted, errors, strict=True):
        if error is not None:
            with settling.taking():
                raise error


class Settler:
    """Settles in a thread of its own what ended since it last looked, and has it reported by `report`. Where more is
    to come, it waits a moment for that: a disk syncs a few results in the time of one. A defect ends the thread:
    `broken` keeps it, and `on_break` is called."""

    def __init__(self, report: Callable[[Sequence[Run]], None], on_break: Callable[[], None]) -> None:
        self._report = report
        self._on_break = on_break
        self._ended: list[tuple[Run, Ended]] = []
        self._at_once = False
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self.broken: Exception | None = None

    def add(self, run: Run, ended: Ended, *, more: bool) -> None:
        """Take a run whose program has ended; `more` says that another one is begun at once."""
        with self._changed:
            self._ended.append((run, ended))
            self._at_once = not more
            if self._at_once or len(self._ended) in (1, TOGETHER):
                self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="fanfold-settler", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Settle what has ended, and no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        try:
            while ended := self._next():
                settle(ended)
                self._report([run for run, _ in ended])
        except Exception as err:  # noqa: BLE001 - raised again by the loop, whose runner ends
            self.broken = err
            self._on_break()

    def _next(self) -> list[tuple[Run, Ended]]:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._closed)
            self._changed.wait_for(lambda: self._at_once or self._closed or len(self._ended) >= TOGETHER, GATHER_S)
            ended, self._ended = self._ended, []
            return ended
