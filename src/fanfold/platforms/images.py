"""Images as a container runtime has them and fetches them. A credential goes to it in a file that lives as long as the
command: never in an argument list, an environment or a log."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fanfold.effects import Effects
from fanfold.errors import BadInput, MissingPart, Unavailable
from fanfold.jobs.secrets import Credential
from fanfold.platforms import runtime
from fanfold.ports.images import Image, Images

FETCHES_WITHIN_S = 900.0
_LOOKS_EVERY_S = 0.1
_DEFINITE = (
    *("unauthorized", "authentication required", "denied", "manifest unknown", "not found", "invalid reference"),
    *("name unknown", "short-name"),
)


class RuntimeImages:
    """Fetches images by Podman or Docker. `private` is the folder that notes what credentials fetched; `elsewhere` says
    why what is fetched here is of no use, "" where programs run here."""

    def __init__(self, choice: str, private: Path, effects: Effects, elsewhere: str = "") -> None:
        self._choice = choice
        self._elsewhere = elsewhere
        self._private = private
        self._effects = effects
        self._lock = threading.Lock()
        self._runtime = ""

    def problem(self) -> str:
        """See `ports.images`."""
        if self._elsewhere:
            return self._elsewhere
        with self._lock:
            said = ""
            if not self._runtime:
                self._runtime, said = runtime.found(self._choice)
            return said

    def has(self, image: Image) -> bool:
        """See `ports.images`."""
        return runtime.ask([image.runtime, "image", "inspect", image.id]).returncode == 0

    def fetch(self, name: str, credential: Credential | None, stopped: Callable[[], bool]) -> Image:
        """See `ports.images`."""
        if said := self.problem():
            raise MissingPart(f"the image '{name}' needs a container runtime: {said}.")
        if credential is None:
            here = self._here(name)
            if here is not None and not self._is_private(name) and not self._is_private(here.id):
                return here
        else:
            self._note_private(name)
        self._pull(name, credential, stopped)
        found = self._here(name)
        if found is None:
            raise Unavailable(f"the image '{name}' was fetched and is gone again", hint="Run the job again.")
        if credential is not None:
            self._note_private(found.id)
        return found

    def _here(self, name: str) -> Image | None:
        done = runtime.ask([self._runtime, "image", "inspect", name])
        if done.returncode:
            return None
        about = json.loads(done.stdout)[0]
        listed = (about.get("Config") or {}).get("Env") or []
        id_ = "sha256:" + about["Id"].removeprefix("sha256:")
        return Image(id_, self._runtime, dict(entry.partition("=")[::2] for entry in listed))

    def _pull(self, name: str, credential: Credential | None, stopped: Callable[[], bool]) -> None:
        with _login(name, credential) as env, tempfile.TemporaryFile() as said:
            process = self._effects.spawn([self._runtime, "pull", "--quiet", name], env, None, said.fileno())
            try:
                status = _awaited(process, stopped)
            finally:
                process.kill()
                process.wait()
            said.seek(0)
            words = said.read().decode(errors="replace")
        if status != 0:
            self._refuse(name, words, given_up=status is None)

    def _refuse(self, name: str, said: str, given_up: bool) -> None:
        last = (said.strip().splitlines() or ["no word of why"])[-1].removeprefix("Error: ")[:300]
        if given_up:
            raise Unavailable(f"the image '{name}' was not fetched in time", hint="Run it again.")
        if any(word in said.lower() for word in _DEFINITE):
            hint = "Check its name, and for a private image the manifest's username and token."
            raise BadInput(f"the image '{name}' cannot be had: {last}", hint=hint)
        raise Unavailable(f"the image '{name}' cannot be fetched now: {last}", hint="See whether its registry is up.")

    def _note(self, what: str) -> Path:
        return self._private / hashlib.sha256(what.encode()).hexdigest()

    def _is_private(self, what: str) -> bool:
        return self._note(what).exists()

    def _note_private(self, what: str) -> None:
        """Before an image is fetched by name, and by its id once that is known. Safe to repeat."""
        if not self._is_private(what):
            self._effects.make_folder(self._private)
            self._effects.write_file(self._note(what), b"")


def _awaited(process: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> int | None:
    """What it ended with; None where that takes too long or nobody wants it any more."""
    until = time.monotonic() + FETCHES_WITHIN_S
    while time.monotonic() < until and not stopped():
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(_LOOKS_EVERY_S)
    return None


@contextlib.contextmanager
def _login(name: str, credential: Credential | None) -> Iterator[dict[str, str]]:
    """The environment that leads a runtime to a credential, for as long as this lasts."""
    env = dict(os.environ)
    if credential is None:
        yield env
        return
    with tempfile.TemporaryDirectory(prefix="fanfold-") as folder:  # made for its owner only
        path = Path(folder, "config.json")
        pair = f"{credential.access_key}:{credential.secret_key}".encode()
        auth = {"auths": {registry_of(name): {"auth": base64.b64encode(pair).decode()}}}
        with open(path, "w", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
            json.dump(auth, file)
        yield env | {"REGISTRY_AUTH_FILE": str(path), "DOCKER_CONFIG": folder}


def registry_of(name: str) -> str:
    """The registry that an image's name begins with; raises BadInput where it names none."""
    host, slash, _ = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        hint = "Write it in full in platform_config.container: registry.example.com/name:tag."
        raise BadInput(f"the private image '{name}' does not name its registry", hint=hint)
    return host


_fits: type[Images] = RuntimeImages
