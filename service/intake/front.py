"""Deliveries go to the receiver before Starlette does anything: its layers cost more than the signature.

Measured with `make bench-intake`; everything that is no delivery goes the usual way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.faults import fault
from service.whole import answer_with

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from service.receiver import Receiver

PREFIX = "/webhooks/"


class Front:
    """The outermost ASGI app. `/webhooks/{source}` is the receiver's, whatever the method."""

    def __init__(self, app: ASGIApp, receiver: Receiver) -> None:
        self._app = app
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            source = scope["path"][len(PREFIX) :]
            if source and "/" not in source:
                try:
                    answer = await self._receiver.take(source, scope, receive)
                except Exception as raised:  # noqa: BLE001 - a helpdesk is never shown a bare 500
                    answer = fault(raised)
                await answer_with(answer, scope, receive, send)
                return
        await self._app(scope, receive, send)
