"""Who may look and act: a token as a bearer, or a session cookie that signing in with it gave.

The admin token opens everything, the viewer token shows everything and changes nothing. A session is a
signed expiry with a role and a name, so nothing is stored and every receiver knows it. Its key derives from
the token it was opened with: a new token ends its sessions.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from starlette.requests import Request

    from service.clock import Clock
    from service.settings import Secret, Settings

Role = Literal["admin", "viewer"]

COOKIE = "reopener_session"
SESSION_SECONDS = 12 * 3600
LOGIN_ATTEMPTS = 10
"""From one address; a stranger who guesses locks out nobody else."""
LOGIN_WINDOW_SECONDS = 60.0
MOST_ADDRESSES = 1_000
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who signed in. `name` is what they call themselves, for the audit log."""

    role: Role
    name: str

    @property
    def may_change(self) -> bool:
        return self.role == "admin"


class Gatekeeper:
    """Knows the tokens. All comparisons take the same time whatever is compared."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Raises `ValueError` where there is no admin token."""
        if settings.admin_token is None:
            raise ValueError("the dashboard and the API need a REOPENER_ADMIN_TOKEN")
        tokens: dict[Role, Secret | None] = {"admin": settings.admin_token, "viewer": settings.viewer_token}
        self._tokens = {role: token.reveal().encode() for role, token in tokens.items() if token is not None}
        self._keys = {
            role: hashlib.sha256(b"reopener session key\0" + role.encode() + b"\0" + token).digest()
            for role, token in self._tokens.items()
        }
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}

    def role_of(self, token: str) -> Role | None:
        """The role that this token opens, None for none."""
        told, found = token.encode("utf-8", "replace"), None
        for role, known in self._tokens.items():
            if hmac.compare_digest(told, known):
                found = role
        return found

    def bearer(self, request: Request) -> Role | None:
        """The role of an API call's token."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self.role_of(token.strip()) if scheme.lower() == "bearer" else None

    def may_try(self, address: str) -> bool:
        """Whether another sign-in may be tried from this address now."""
        failures = self._failures.get(address, ())
        since = self._clock.monotonic() - LOGIN_WINDOW_SECONDS
        return sum(failed_at > since for failed_at in failures) < LOGIN_ATTEMPTS

    def note_failure(self, address: str) -> None:
        failures = self._failures.pop(address, deque(maxlen=LOGIN_ATTEMPTS))
        failures.append(self._clock.monotonic())
        self._failures[address] = failures  # the last to be forgotten
        if len(self._failures) > MOST_ADDRESSES:
            del self._failures[next(iter(self._failures))]

    def new_session(self, role: Role, name: str = "") -> str:
        """The cookie of somebody who just signed in."""
        expiry = int(self._clock.now().timestamp()) + SESSION_SECONDS
        called = base64.urlsafe_b64encode(name[:LONGEST_NAME].encode("utf-8", "replace")).decode().rstrip("=")
        told = f"{expiry}.{role}.{called}"
        return f"{told}.{self._sign(role, 'session', told)}"

    def session(self, request: Request) -> Session | None:
        """Who is signed in, None where nobody is, or is no longer."""
        told, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
        expiry, _, rest = told.partition(".")
        named, _, called = rest.partition(".")
        role: Role | None = next((each for each in self._keys if each == named), None)
        if role is None or not _same(signature, self._sign(role, "session", told)):
            return None
        if int(expiry) <= self._clock.now().timestamp():
            return None
        return Session(role, _name(called))

    def csrf_token(self, request: Request) -> str:
        """What a form has to send back: bound to the session, useless to other sites."""
        return self._sign("admin", "csrf", request.cookies.get(COOKIE, ""))

    def csrf_matches(self, request: Request, token: str) -> bool:
        return _same(token, self.csrf_token(request))

    def _sign(self, role: Role, purpose: str, value: str) -> str:
        told = f"{purpose}\0{value}".encode("utf-8", "replace")
        return hmac.new(self._keys[role], told, "sha256").hexdigest()


def _same(told: str, known: str) -> bool:
    return hmac.compare_digest(told.encode("utf-8", "replace"), known.encode())


def _name(called: str) -> str:
    try:
        return base64.urlsafe_b64decode(called + "=" * (-len(called) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""
