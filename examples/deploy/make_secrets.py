"""`python make_secrets.py` makes what only you may know: `.env` and the folder `secrets`, here.

It makes each file once and leaves what is there. Back them up: without them nobody gets in, and no secret is read.
"""

import base64
import json
import secrets
from pathlib import Path

HERE = Path.cwd()


def key() -> str:
    """32 random bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def keep(path: Path, text: str, mode: int) -> None:
    """Write a file, where there is none."""
    if path.exists():
        print(f"{path} is there already")
        return
    path.touch(mode)
    path.chmod(mode)
    path.write_text(text)
    print(f"{path} was made")


if __name__ == "__main__":
    folder = HERE / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Containers read these as users of their own; here, the folder keeps others out.
    keep(folder / "ray-token", secrets.token_hex(32), 0o644)
    keep(folder / "server-keys.json", json.dumps({"version": 1, "pepper": key(), "signer": key()}), 0o644)
    variables = {
        "POSTGRES_PASSWORD": secrets.token_hex(16),
        "STORAGE_ACCESS_KEY": secrets.token_hex(10),
        "STORAGE_SECRET_KEY": secrets.token_hex(20),
        "MASTER_KEY": key(),
    }
    keep(HERE / ".env", "".join(f"{name}={value}\n" for name, value in variables.items()), 0o600)
