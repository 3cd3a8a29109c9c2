"""How long is waited before the next attempt: the table, the jitter, and the floor under it."""

from __future__ import annotations

import random

import pytest

from service.domain.backoff import ceiling_seconds, delay_seconds

DEFAULTS = {"base_seconds": 2, "cap_seconds": 900}

TABLE = [
    # attempts spent, longest wait in seconds with the default settings
    (0, 0),
    (1, 2),
    (2, 4),
    (3, 8),
    (4, 16),
    (5, 32),
    (6, 64),
    (7, 128),
    (8, 256),
    (9, 512),
    (10, 900),
    (11, 900),
    (12, 900),
    (10_000, 900),
]


@pytest.mark.parametrize(("spent", "seconds"), TABLE)
def test_the_table(spent, seconds):
    """The longest wait doubles from the base to the cap, and stays there."""
    assert ceiling_seconds(spent, **DEFAULTS) == seconds


@pytest.mark.parametrize(("spent", "seconds"), TABLE)
def test_full_jitter(spent, seconds):
    """The wait is spread over everything from nothing to the longest one."""
    rng = random.Random(7)
    waits = [delay_seconds(spent, rng, **DEFAULTS) for _ in range(2_000)]
    assert all(0 <= wait <= seconds for wait in waits)
    if seconds:
        assert min(waits) < 0.05 * seconds
        assert max(waits) > 0.95 * seconds


@pytest.mark.parametrize("floor", [0.5, 7, 3_600])
def test_the_floor_is_waited_for_in_any_case(floor):
    """Jitter comes on top of the floor, never below."""
    rng = random.Random(7)
    waits = [delay_seconds(3, rng, **DEFAULTS, floor_seconds=floor) for _ in range(500)]
    assert all(floor <= wait <= floor + 8 for wait in waits)
    assert max(waits) > floor + 7


def test_settings_shape_the_table():
    """Base and cap are the settings' own."""
    table = [ceiling_seconds(spent, base_seconds=0.5, cap_seconds=3) for spent in range(6)]
    assert table == [0, 0.5, 1, 2, 3, 3]
