"""Images from a real registry that wants credentials."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from fanfold.effects import Effects
from fanfold.errors import BadInput, Unavailable
from fanfold.jobs.secrets import Credential, SecretType
from fanfold.platforms import runtime
from fanfold.platforms.images import RuntimeImages
from tests import images

TOKEN = "not-a-real-token"
HASHED = "$2b$04$7oJCnRdzJNIuYyxvec02ae9NvfSsjvLQvrn/zoZmmmGhIs0FVB6ke"
"""The same, as a registry keeps it (bcrypt)."""


class Noting(Effects):
    """Effects that keep what was started."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[str] = []

    def spawn(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: str | None, output: int | None, keep: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        self.started += argv
        return super().spawn(argv, env, cwd, output, keep)


def with_token(token: str) -> Credential:
    return Credential("registry", SecretType.OTHER, "ann", token)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


pytestmark = pytest.mark.timeout(300)
"""An image is made first, and the machine may be busy."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A registry that knows one user; the runtime is told that it speaks plain HTTP."""
    place = f"localhost:{free_port()}"
    (tmp_path / "users").write_text(f"ann:{HASHED}\n")
    (tmp_path / "registry.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {tmp_path}/kept}}}}\n"
        f"http: {{addr: '{place}'}}\nauth: {{htpasswd: {{realm: test, path: {tmp_path}/users}}}}\n"
    )
    (tmp_path / "registries.conf").write_text(f'[[registry]]\nlocation = "{place}"\ninsecure = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    serve = ["docker-registry", "serve", str(tmp_path / "registry.yml")]
    with subprocess.Popen(serve, stderr=subprocess.DEVNULL) as served:
        try:
            until = time.monotonic() + 20
            while not answers(place):
                assert served.poll() is None, "the registry ended"
                assert time.monotonic() < until, "the registry does not answer"
            yield place
        finally:
            served.kill()


def answers(place: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{place}/v2/", timeout=1)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.mark.needs("docker-registry")
def test_a_private_image_is_had_by_its_token_only_though_it_is_here(registry: str, tmp_path: Path) -> None:
    command, problem = runtime.found("auto")
    if not command:
        assert not os.environ.get("CI"), problem
        pytest.skip(f"no container runtime: {problem}")
    name = f"{registry}/ann/tool:1"
    made = images.shell_image(command)
    for words in (
        ["login", "--username", "ann", "--password-stdin", "--authfile", str(tmp_path / "auth"), registry],
        ["push", "--quiet", "--authfile", str(tmp_path / "auth"), made, name],
        ["rmi", "--force", made],
    ):
        subprocess.run([command, *words], input=TOKEN.encode(), capture_output=True, check=True)
    images.shell_image.cache_clear()
    effects = Noting()
    fetched = RuntimeImages("auto", tmp_path / "private", effects)
    for credential in (None, with_token("wrong")):
        with pytest.raises(BadInput, match="cannot be had"):
            fetched.fetch(name, credential, bool)
    image = fetched.fetch(name, with_token(TOKEN), bool)
    try:
        assert image.id == made
        assert fetched.has(image)
        for asked in (name, image.id):
            with pytest.raises((BadInput, Unavailable)):
                fetched.fetch(asked, None, bool)
        assert fetched.fetch(name, with_token(TOKEN), bool) == image
        assert effects.started
        assert TOKEN not in " ".join(effects.started)
        assert not [path for path in (tmp_path / "private").iterdir() if path.read_bytes()]
    finally:
        subprocess.run([command, "rmi", "--force", image.id], capture_output=True, check=False)
