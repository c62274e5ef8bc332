"""Sessions of browsers: a token of the access service in a cookie that scripts cannot read, and what proves that a form
came from our own page.

The cookie is sent with no request that another site makes but following a link (`SameSite=Lax`), only to the console
(`Path`), and only through TLS where the server is reached by it. Its name ends in the port, since browsers keep one jar
of cookies for all ports of a host. A form carries an HMAC of the session, which no other site can read.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from fanfold.jobs.access import Caller
from fanfold.services.access import AccessService
from fanfold.services.sign_in_links import SignInLinks

PREFIX = "/console"
SESSION_S = 12 * 3600
FORM_FIELD = "csrf"
FORM_HEADER = "x-csrf-token"


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, access: AccessService, links: SignInLinks, key: bytes, public_url: str) -> None:
        self._access = access
        self._links = links
        self._key = key
        self._secure = urlsplit(public_url).scheme == "https"
        self._cookie = f"fanfold_session_{urlsplit(public_url).port or 'tls'}"

    def by_key(self, api_key: str) -> tuple[str, int]:
        """A session for an API key; raises as `AccessService.sign_in`."""
        token, seconds, _ = self._access.sign_in(api_key, SESSION_S)
        return token, seconds

    def by_link(self, secret: str) -> tuple[str, int]:
        """A session for a one-time link; NotFound for one that was used or is too old."""
        return self._links.enter(secret, SESSION_S)

    def token_of(self, request: Request) -> str:
        """The session that a request belongs to; "" for none."""
        return request.cookies.get(self._cookie, "")

    def caller_of(self, request: Request) -> Caller | None:
        """Who sits in front of the browser; None for nobody, or nobody any more."""
        token = self.token_of(request)
        return self._access.caller_of(token) if token else None

    def begin(self, response: Response, token: str, seconds: int) -> Response:
        """Give the browser its session."""
        response.set_cookie(
            self._cookie, token, max_age=seconds, path=PREFIX, secure=self._secure, httponly=True, samesite="lax"
        )
        return response

    def end(self, request: Request, response: Response) -> Response:
        """Void the session, at once."""
        self._access.sign_out(self.token_of(request))
        response.delete_cookie(self._cookie, path=PREFIX, secure=self._secure, httponly=True, samesite="lax")
        return response

    def form_token(self, request: Request) -> str:
        """What a form of this session carries."""
        told = b"form of the session " + self.token_of(request).encode("utf-8", "replace")
        return hmac.new(self._key, told, hashlib.sha256).hexdigest()

    def is_our_form(self, request: Request, given: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(self.form_token(request).encode(), given.encode("utf-8", "replace"))


def from_our_page(request: Request) -> bool:
    """Whether a browser says that a request was made by a page of this very origin; for forms before a session."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
