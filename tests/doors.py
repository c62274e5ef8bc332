"""The application over HTTP without a socket."""

import warnings

with warnings.catch_warnings():
    # Starlette 1.10 asks for another HTTP library and works with httpx all the same.
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient` is deprecated")
    from fastapi.testclient import TestClient

__all__ = ["TestClient"]
