"""`url`: one file fetched by http or https into the job's storage, through the address rules of `net.addresses`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO
from urllib.parse import unquote

from fanfold.datasources.places import texts
from fanfold.effects import Effects, etag_of
from fanfold.errors import BadInput, Problem, Unavailable
from fanfold.jobs.chunks import REMOTE
from fanfold.jobs.file_names import plain_name
from fanfold.jobs.models import DataRef
from fanfold.net.http import Fetched, GuardedHttp, NothingToResume, Part, basic_auth, check_url, shown
from fanfold.ports.datasource import (
    DIRECT_FROM_BYTES,
    DataSource,
    OutputFile,
    Preview,
    RangedSource,
    SourceFile,
    Staging,
)
from fanfold.ports.executor import RangeRequest
from fanfold.ports.secrets import Credentials

_NAMES = ("url", "username", "password", "secret_id", "name")
CHECK_WITHIN_S = 8.0
FETCH_WITHIN_S = 12 * 3600.0
MAX_BYTES = 100 * 1024**3
WAITS_S = (0.5, 1.0, 2.0, 4.0)
_FILE = "fetched"


class WebFile:
    """One file of the web; a source only."""

    def __init__(
        self,
        effects: Effects,
        http: GuardedHttp,
        credentials: Credentials,
        max_bytes: int = MAX_BYTES,
        *,
        waits_s: tuple[float, ...] = WAITS_S,
        within_s: float = FETCH_WITHIN_S,
    ) -> None:
        """A fetch ends within `within_s`, all its new beginnings included."""
        self._effects = effects
        self._http = http
        self._credentials = credentials
        self._max_bytes = max_bytes
        self._waits_s = waits_s
        self._within_s = within_s

    def check_source(self, ref: DataRef, job_id: str) -> None:
        """Ask for the file and look at the answer's head; refuse where it is a definite no."""
        self.preview(ref)

    def preview(self, ref: DataRef) -> Preview:
        """The one file, with the size that its server tells."""
        url, headers, name = self._read(ref)
        try:
            with self._http.get(url, headers, CHECK_WITHIN_S) as fetched:
                if not fetched.etag:  # with one it may be read in ranges, of any size; the fetch tells where it is not
                    self._check_size(fetched.size_bytes or 0)
                return Preview(((name, fetched.size_bytes),), 1, fetched.size_bytes)
        except BadInput as err:
            reason = err.message if not err.problems else str(err)
            raise BadInput("the input cannot be used", [Problem("dataSource.params.url", reason)]) from err

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """Fetch the file; safe to repeat: it is there whole or not at all. A large one that can be read in ranges, and
        says by a strong ETag when it changes, stays where it is."""
        url, headers, name = self._read(ref)
        if staging.direct and (found := self._direct(url, headers)) is not None:
            yield SourceFile(name, REMOTE, found.whole_bytes or 0, found.etag)
            return
        place = staging.folder / _FILE
        self._effects.make_folder(staging.folder)
        with self._effects.new_file(place) as file:
            self._save(file, url, headers, staging.stopped)
        info = place.stat()
        yield SourceFile(name, str(place), info.st_size, etag_of(info))

    def _direct(self, url: str, headers: Mapping[str, str]) -> Fetched | None:
        """The head of an answer that begins a range of a large file with a strong ETag; None for another one."""
        try:
            with self._http.get(url, headers, CHECK_WITHIN_S, Part(0)) as fetched:
                return fetched if fetched.etag and (fetched.whole_bytes or 0) >= DIRECT_FROM_BYTES else None
        except (BadInput, NothingToResume):  # what is wrong, if anything, the fetch of the whole tells
            return None

    def request(self, ref: DataRef, location: str) -> RangeRequest:
        """See `ports.datasource`."""
        url, headers, _ = self._read(ref)
        return RangeRequest(str(check_url(url)), headers, self._http.guard.allow_private)

    def identity(self, ref: DataRef, location: str) -> str:
        """See `ports.datasource`."""
        return str(check_url(texts(ref, "dataSource", _NAMES, "HttpDataSource").get("url", "")))

    def _save(self, file: IO[bytes], url: str, headers: Mapping[str, str], stopped: Callable[[], bool]) -> None:
        """Fetch into a file; after a broken connection or a busy server go on where it stopped, with growing waits that
        begin anew when something came."""
        waits, etag = deque(self._waits_s), ""
        until = time.monotonic() + self._within_s
        while True:
            came = file.tell()
            rest = Part(came, etag) if etag and came else None
            try:
                with self._http.get(url, headers, until - time.monotonic(), rest) as fetched:
                    etag = fetched.etag
                    self._take(fetched, file, url, stopped)
                return
            except NothingToResume:
                etag = ""
            except Unavailable as err:
                if time.monotonic() >= until:
                    raise BadInput(f"{shown(url)} took longer than {self._within_s:g} s, the most it may") from err
                if stopped() or not (waits or file.tell() > came):
                    raise
            if file.tell() > came:
                waits = deque(self._waits_s)
            if waits:
                time.sleep(min(waits.popleft(), max(0, until - time.monotonic())))

    def _take(self, fetched: Fetched, file: IO[bytes], url: str, stopped: Callable[[], bool]) -> None:
        file.seek(fetched.offset)
        file.truncate()
        self._check_size(fetched.offset + (fetched.size_bytes or 0))
        for piece in fetched.body:
            self._check_size(file.tell() + len(piece))
            if stopped():
                raise Unavailable(f"the fetch of {shown(url)} was stopped")
            file.write(piece)

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise BadInput(f"it has more than {self._max_bytes} bytes, the most that this server fetches")

    def check_destination(self, ref: DataRef) -> None:
        """Never."""
        reason = "'url' is a source only; use 'bucket' to fetch the output from this server"
        raise BadInput("the destination cannot be used", [Problem("dataDestination", reason)])

    def deliver(
        self, ref: DataRef, job_id: str, files: Iterable[OutputFile], stopped: Callable[[], bool]
    ) -> tuple[int, int]:
        """Never."""
        self.check_destination(ref)
        return 0, 0

    def take_back(self, ref: DataRef, job_id: str) -> None:
        """There is nothing to take back."""

    def _read(self, ref: DataRef) -> tuple[str, dict[str, str], str]:
        """URL, the header that says who asks, and the name that programs will see."""
        given = texts(ref, "dataSource", _NAMES, "HttpDataSource")
        url = given.get("url", "")
        try:
            parsed = check_url(url)
        except BadInput as err:
            raise BadInput("the input cannot be used", [Problem("dataSource.params.url", err.message)]) from err
        user, password = given.get("username", ""), self._password(ref, given)
        name = plain_name(given.get("name", ""), plain_name(unquote(parsed.path)))
        return url, basic_auth(user, password) if user or password else {}, name

    def _password(self, ref: DataRef, given: Mapping[str, str]) -> str:
        """As it stands in the params where a place is only tried, else as it was sealed."""
        if "secret_id" not in given:
            return given.get("password", "")
        return self._credentials.find(ref.account_id, given["secret_id"]).secret_key


_ranged: type[RangedSource] = WebFile
_fits: type[DataSource] = WebFile
