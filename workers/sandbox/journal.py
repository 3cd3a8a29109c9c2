"""What is kept over restarts: every change as a line of JSON, written before its answer goes out.

A kill of the process loses nothing of it; a power cut may lose the last lines, and a line cut short is left
out when the file is read again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from workers.sandbox.world import World


class Journal:
    """A file of changes. Without a path nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = -1

    def open(self) -> World:
        """The world as the file tells it, which notes its further changes there."""
        world = World()
        if self._path is None:
            return world
        if self._path.exists():
            _replay(world, self._path)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        world.note = self._write
        return world

    def clear(self) -> None:
        """Forget everything."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, change: dict[str, Any]) -> None:
        # The line end comes first, so that behind a line that was cut short this one is another.
        os.write(self._file, b"\n" + json.dumps(change, separators=(",", ":")).encode())


def _replay(world: World, path: Path) -> None:
    with path.open("rb") as lines:
        for line in lines:
            try:
                change = json.loads(line)
            except ValueError:
                continue
            world.restore(change)
