"""What the tests of `reopener check` tell it."""

from __future__ import annotations

from service.check import check
from service.clock import SystemClock
from service.settings import (
    Settings,
)

CLOCK = SystemClock()


API_KEY = "test-api-key"


STRONG = "test-only-0123456789-abcdef"


STRONG_STANDARD = "whsec_" + "dGhlIHRlc3RzJyBvd24gd2ViaG9vayBzZWNyZXQ="  # 29 bytes


async def codes(settings: Settings) -> list[str]:
    return [finding.code for finding in await check(settings, clock=CLOCK)]
