"""Where a client finds its server and key: what it is told, then the environment, then what `fanfold login` stored.

    FANFOLD_URL, FANFOLD_API_KEY
    $XDG_CONFIG_HOME/fanfold/config.toml (mode 0600):
        url = "https://fanfold.example"      # the server of the last login
        [keys]
        "https://fanfold.example" = "ff_..."

A stored key is only ever sent to the server it was stored for.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fanfold.client.errors import NotSignedIn
from fanfold.errors import BadInput

URL, API_KEY = "FANFOLD_URL", "FANFOLD_API_KEY"


@dataclass(frozen=True, slots=True)
class Stored:
    """What is on disk: the server of the last login, and a key for each server."""

    url: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A server and a key for it."""

    url: str
    api_key: str = field(repr=False)


def config_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Where logins are stored."""
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "fanfold" / "config.toml"


def find(url: str = "", api_key: str = "", environment: Mapping[str, str] = os.environ) -> Credentials:
    """The server and key to use; NotSignedIn where there are none."""
    stored = read(config_file(environment))
    found_url = plain_url(url or environment.get(URL, "") or stored.url)
    if not found_url:
        raise NotSignedIn("no server is known.", hint=f"Type: fanfold login URL (or set {URL} and {API_KEY})")
    found_key = api_key or environment.get(API_KEY, "") or stored.keys.get(found_url, "")
    if not found_key:
        raise NotSignedIn(f"no API key for {found_url}.", hint=f"Type: fanfold login {found_url} (or set {API_KEY})")
    return Credentials(found_url, found_key)


def is_known(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody told or stored a server."""
    return bool(environment.get(URL) or read(config_file(environment)).url)


def plain_url(url: str) -> str:
    """A server's URL in one spelling; BadInput for what is none."""
    if not url:
        return ""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise BadInput(f"'{url}' is not the URL of a server; expected something like http://127.0.0.1:8480")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def read(file: Path) -> Stored:
    """What is stored; nothing, where there is no file."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Stored()
    except (OSError, ValueError) as err:
        raise BadInput(f"'{file}' cannot be read: {err}.", hint="Mend it, or remove it and log in again.") from err
    keys = data.get("keys")
    kept = {str(url): str(key) for url, key in keys.items()} if isinstance(keys, dict) else {}
    return Stored(str(data.get("url", "")), kept)


def store(credentials: Credentials, file: Path | None = None) -> Path:
    """Keep a login, readable by its user only; other servers' keys stay."""
    place = file or config_file()
    keys = {**read(place).keys, credentials.url: credentials.api_key}
    lines = [f"url = {json.dumps(credentials.url)}", "", "[keys]"]
    lines += [f"{json.dumps(url)} = {json.dumps(key)}" for url, key in sorted(keys.items())]
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as writer:
        writer.write("\n".join(lines) + "\n")
        writer.flush()
        os.fsync(writer.fileno())
    os.replace(part, place)
    return place
