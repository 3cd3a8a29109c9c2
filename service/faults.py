"""A fault of ours still gets an answer that helpdesks and people can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.answers import error
from service.logs import get_logger

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = get_logger(__name__)


class Faults:
    """Answers 503 for what nobody caught: helpdesks disable webhooks over a bare 500.

    Starlette's handler of all exceptions raises them again after its answer, which cuts the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as raised:
            if scope["type"] != "http" or has_begun:
                raise
            await fault(raised)(scope, receive, send)


def fault(raised: Exception) -> Response:
    """The answer to what nobody caught, which is logged. To be called while it is handled."""
    log.exception("request.fault", error=type(raised).__name__)  # noqa: LOG004 - as said above
    return error(503, "internal_fault", "Something went wrong here. Send it again: it counts once.")
