"""Small files of the data folder that `reopener run` makes once, and that tools beside it read."""

from __future__ import annotations

import os
from pathlib import Path


def kept(path: Path) -> str | None:
    """What the file holds; None where it holds nothing (a full disk, a power cut), or is not ours to read."""
    try:
        return path.read_text("utf-8").strip() or None
    except OSError:
        return None


def keep(path: Path, text: str) -> None:
    """Write it, for nobody else to read."""
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
