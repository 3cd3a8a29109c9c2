"""Who may look and act: the admin token as a bearer, or a session cookie that signing in with it gave.

A session is a signed expiry, so nothing is stored and every receiver knows it. The key is derived from the
admin token: a new token ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.clock import Clock
    from service.settings import Secret

COOKIE = "reopener_session"
SESSION_SECONDS = 12 * 3600
LOGIN_ATTEMPTS = 10
LOGIN_WINDOW_SECONDS = 60.0


class Gatekeeper:
    """Knows the admin token. All comparisons take the same time whatever is compared."""

    def __init__(self, token: Secret, clock: Clock) -> None:
        self._token = token
        self._clock = clock
        self._key = hashlib.sha256(b"reopener session key\0" + token.reveal().encode()).digest()
        self._failures: deque[float] = deque(maxlen=LOGIN_ATTEMPTS)

    def opens(self, token: str) -> bool:
        """Whether this is the admin token."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token.reveal().encode())

    def bears_token(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.opens(token.strip())

    def may_try(self) -> bool:
        """Whether another sign-in may be tried now: failures of all comers together are limited."""
        now = self._clock.monotonic()
        while self._failures and now - self._failures[0] > LOGIN_WINDOW_SECONDS:
            self._failures.popleft()
        return len(self._failures) < LOGIN_ATTEMPTS

    def note_failure(self) -> None:
        self._failures.append(self._clock.monotonic())

    def new_session(self) -> str:
        expiry = str(int(self._clock.now().timestamp()) + SESSION_SECONDS)
        return f"{expiry}.{self._sign('session', expiry)}"

    def has_session(self, request: Request) -> bool:
        expiry, _, signature = request.cookies.get(COOKIE, "").partition(".")
        if not (expiry.isascii() and expiry.isdigit() and len(expiry) < 16):
            return False
        genuine = hmac.compare_digest(
            signature.encode("utf-8", "replace"), self._sign("session", expiry).encode()
        )
        return genuine and int(expiry) > self._clock.now().timestamp()

    def csrf_token(self, request: Request) -> str:
        """What a form has to send back: bound to the session, useless to other sites."""
        return self._sign("csrf", request.cookies.get(COOKIE, ""))

    def csrf_matches(self, request: Request, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.csrf_token(request).encode())

    def _sign(self, purpose: str, value: str) -> str:
        return hmac.new(self._key, f"{purpose}\0{value}".encode("utf-8", "replace"), "sha256").hexdigest()
