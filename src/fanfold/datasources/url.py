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
from fanfold.jobs.file_names import plain_name
from fanfold.jobs.models import DataRef
from fanfold.net.http import Begun, Fetched, GuardedHttp, NothingToResume, check_url, shown
from fanfold.ports.datasource import DataSource, OutputFile, Preview, SourceFile, Staging
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
        url, auth, name = self._read(ref)
        try:
            with self._http.get(url, auth, CHECK_WITHIN_S) as fetched:
                self._check_size(fetched.size_bytes or 0)
                return Preview(((name, fetched.size_bytes),), 1, fetched.size_bytes)
        except BadInput as err:
            reason = err.message if not err.problems else str(err)
            raise BadInput("the input cannot be used", [Problem("dataSource.params.url", reason)]) from err

    def list_source(self, ref: DataRef, staging: Staging) -> Iterator[SourceFile]:
        """Fetch the file; safe to repeat: it is there whole or not at all."""
        url, auth, name = self._read(ref)
        place = staging.folder / _FILE
        self._effects.make_folder(staging.folder)
        with self._effects.new_file(place) as file:
            self._save(file, url, auth, staging.stopped)
        info = place.stat()
        yield SourceFile(name, str(place), info.st_size, etag_of(info))

    def _save(self, file: IO[bytes], url: str, auth: tuple[str, str] | None, stopped: Callable[[], bool]) -> None:
        """Fetch into a file; after a broken connection or a busy server go on where it stopped, with growing waits that
        begin anew when something came."""
        waits, etag = deque(self._waits_s), ""
        until = time.monotonic() + self._within_s
        while True:
            came = file.tell()
            begun = Begun(came, etag) if etag and came else None
            try:
                with self._http.get(url, auth, until - time.monotonic(), begun) as fetched:
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

    def _read(self, ref: DataRef) -> tuple[str, tuple[str, str] | None, str]:
        """URL, user and password, and the name that programs will see."""
        given = texts(ref, "dataSource", _NAMES, "HttpDataSource")
        url = given.get("url", "")
        try:
            parsed = check_url(url)
        except BadInput as err:
            raise BadInput("the input cannot be used", [Problem("dataSource.params.url", err.message)]) from err
        user, password = given.get("username", ""), self._password(ref, given)
        name = plain_name(given.get("name", ""), plain_name(unquote(parsed.path)))
        return url, (user, password) if user or password else None, name

    def _password(self, ref: DataRef, given: Mapping[str, str]) -> str:
        """As it stands in the params where a place is only tried, else as it was sealed."""
        if "secret_id" not in given:
            return given.get("password", "")
        return self._credentials.find(ref.account_id, given["secret_id"]).secret_key


_fits: type[DataSource] = WebFile
