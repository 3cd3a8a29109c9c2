"""A clock of each test's own."""

from __future__ import annotations

import pytest

from tests.clocks import HandClock
from workers import throttle


@pytest.fixture
def clock(monkeypatch):
    """A clock of this test alone. Who waits looks at it often."""
    monkeypatch.setattr(throttle, "WARMING_SECONDS", 0.001)
    return HandClock()
