"""Deliveries go to the receiver before Starlette looks for a route: that costs as much as the signature does.

Measured with `make bench`; everything that is no delivery goes the usual way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from service.receiver import Receiver

PREFIX = "/webhooks/"


class Front:
    """An ASGI middleware. `/webhooks/{source}` is the receiver's, whatever the method."""

    def __init__(self, app: ASGIApp, receiver: Receiver) -> None:
        self._app = app
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            source = scope["path"][len(PREFIX) :]
            if source and "/" not in source:
                await self._receiver.take(source, scope, receive, send)
                return
        await self._app(scope, receive, send)
