"""Numbers and lengths of time as people read them."""

from __future__ import annotations


def lasting(seconds: float | None) -> str:
    """A length of time in its two largest units: `3 h 20 min`."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    left = int(seconds)
    parts = []
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        if number:
            parts.append(f"{number} {name}")
    return " ".join(parts[:2])


def number(value: float) -> str:
    """Whole numbers with thin spaces between thousands, small rates with one digit."""
    if abs(value) < 10 and value != round(value):
        return f"{value:.1f}"
    return f"{value:,.0f}".replace(",", "\u202f")
