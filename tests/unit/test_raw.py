"""A delivery as it arrives, read no further than the bound."""

from __future__ import annotations

import pytest

from service.intake.raw import Refused, read

SCOPE = {
    "method": "POST",
    "scheme": "http",
    "path": "/webhooks/support",
    "query_string": b"",
    "headers": [(b"host", b"desk.example")],
}


async def test_a_body_that_breaks_off_is_no_body():
    """What came before the connection ended is not taken for all of it."""
    messages = [
        {"type": "http.request", "body": b'{"a": 1}', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    with pytest.raises(Refused) as refused:
        await read(SCOPE, receive)
    assert (refused.value.status, refused.value.code) == (400, "body_incomplete")
