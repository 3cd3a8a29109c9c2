"""What is wrong with the spool of a receiver that runs on this machine, with the same settings."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from service.check.finding import Finding
from service.intake.spool import FILE_NAME

if TYPE_CHECKING:
    from service.settings import Settings

MB = 1024 * 1024


def probe_spool(settings: Settings) -> Iterator[Finding]:
    """Where it is off, only whether something was left in it. Only reads, also while a receiver writes."""
    folder = settings.data_dir / "spool"
    path = folder / FILE_NAME
    if settings.spool_mb:
        yield from _judge_place(folder, path, settings.spool_mb * MB)
    if os.access(path, os.F_OK):
        yield from _judge_content(path)


def _judge_place(folder: Path, path: Path, limit_bytes: int) -> Iterator[Finding]:
    existing = next(path for path in (folder, *folder.parents) if os.access(path, os.F_OK))
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        yield Finding(
            "error",
            "spool_unusable",
            f"the spool cannot be kept in {folder}: {existing} cannot be written by this user",
            "set REOPENER_DATA_DIR to a folder on a disk that lasts, or leave REOPENER_SPOOL_MB unset",
        )
        return
    yield from _judge_room(folder, existing, path, limit_bytes)


def _judge_room(folder: Path, existing: Path, path: Path, limit_bytes: int) -> Iterator[Finding]:
    used_bytes = path.stat().st_size if path.exists() else 0
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < limit_bytes - used_bytes:
        sizes = f"{free_bytes // MB} MB left, and REOPENER_SPOOL_MB is {limit_bytes // MB}"
        yield Finding(
            "warning",
            "spool_disk_small",
            f"the disk of {folder} has {sizes}",
            "make room there, or lower REOPENER_SPOOL_MB",
        )


def _judge_content(path: Path) -> Iterator[Finding]:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as spool:
            ((waiting,),) = spool.execute("SELECT count(*) FROM deliveries")
            ((refused,),) = spool.execute("SELECT count(*) FROM refused")
    except sqlite3.Error as error:
        yield Finding(
            "error",
            "spool_unreadable",
            f"the spool {path} cannot be read: {error}",
            "keep the file, since deliveries may be in it, and look at its disk",
        )
        return
    if waiting:
        yield Finding(
            "warning",
            "spool_waiting",
            f"{waiting} deliveries wait in {path} for Redis",
            "let a receiver run on this data folder: it admits them in order as soon as Redis takes them",
        )
    if refused:
        yield Finding(
            "error",
            "spool_refused",
            f"Redis refuses {refused} deliveries that are kept in {path}",
            "the receiver's log says why (spool.refused); mend that, they are asked for again each minute",
        )
