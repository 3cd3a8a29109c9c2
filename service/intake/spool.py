"""The spool: deliveries kept on this machine's disk while Redis is away (`REOPENER_SPOOL_MB`).

An SQLite database whose write-ahead log is on the disk before a delivery is answered. It holds each delivery
as the ledger's script takes it, in order of receipt, and the names its events are known by while it waits.
Customers' words are in it until Redis has them, so it is its owner's alone, and is cut to nothing once it is
empty.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from service.embedded import FolderLock
from service.ledger.admission import Admitted
from service.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.ledger.admission import Admission

FILE_NAME = "spool.sqlite3"
FORM = 1
"""The form of these tables. A file of another form is refused, not guessed at."""
TABLES = f"""
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY AUTOINCREMENT, received_ms INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE events (
    name TEXT PRIMARY KEY, number INTEGER NOT NULL, received_ms INTEGER NOT NULL, reopen_id TEXT NOT NULL,
    held_for TEXT, body_hash TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX events_by_delivery ON events (number);
CREATE TABLE refused (
    number INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL, packed BLOB NOT NULL, words TEXT NOT NULL);
PRAGMA user_version = {FORM};
"""
"""`events` has a row for each name (id, reply, body) of what waits; `refused` is what Redis does not take."""


ORDINARY_BYTES = 65_536

log = get_logger(__name__)


class SpoolUnusable(Exception):
    """The spool cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A delivery that waits: its place, when it came (unix ms), what it leaves as the ledger takes it."""

    number: int
    received_ms: int
    packed: bytes


@dataclass(frozen=True, slots=True)
class SpoolState:
    """How many wait, when the first came (unix ms), how many Redis refused, and what of the bound is used."""

    deliveries: int
    oldest_ms: int | None
    refused: int
    bytes: int
    limit_bytes: int

    @property
    def has_room(self) -> bool:
        """Whether an ordinary delivery can be taken."""
        return self.bytes + ORDINARY_BYTES <= self.limit_bytes


SpoolOf: TypeAlias = Callable[[], "SpoolState | None"]
"""Answers this receiver's spool as it is now; None where it has none."""


class Spool:
    """The deliveries that wait on this disk. For one process, and one thread at a time but for `state`."""

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        """Open or make it. Raises `FolderBusy` where another process has it, `SpoolUnusable` for all else."""
        self._limit_bytes = limit_bytes
        path = folder / FILE_NAME
        try:
            self._lock = FolderLock(folder)
        except OSError as error:
            raise SpoolUnusable(f"the spool cannot be kept in {folder}: {error.strerror}; {_MEND}") from error
        try:
            self._path, self._passed = path, 0
            self._open()
            self._take_refused_again()
            self.state = self._measured(self._count("deliveries"))
        except (sqlite3.Error, OSError) as error:
            self._lock.release()
            raise SpoolUnusable(f"the spool {path} cannot be used: {error}; {_MEND}") from error
        except BaseException:
            self._lock.release()
            raise

    def write(self, deliveries: Sequence[tuple[Sequence[Admission], bytes, int]]) -> list[list[Admitted]]:
        """Keep them (admissions, the same packed, when they came), all together or none; they are on the disk
        when this returns. What is to be said of each, in order. Raises `OSError` where the file is gone.
        """
        if not os.path.samestat(self._path.stat(), self._file):
            # What is written to a file without a name goes with this process.
            raise FileNotFoundError(f"{self._path} was removed while in use: start this receiver anew")
        answers = []
        with self._transaction():
            for admissions, packed, received_ms in deliveries:
                number = self._db.execute(
                    "INSERT INTO deliveries (received_ms, packed) VALUES (?, ?)", (received_ms, packed)
                ).lastrowid
                answers.append([self._answer(each, number or 0, received_ms) for each in admissions])
        self.state = self._measured(self.state.deliveries + len(deliveries))
        return answers

    def first(self, most: int, most_bytes: int) -> list[Spooled]:
        """Those that wait longest, at least one of them where there is one."""
        rows = self._db.execute(
            "SELECT number, received_ms, packed FROM deliveries WHERE number > ? ORDER BY number LIMIT ?",
            (self._passed, most),
        )
        batch, size = [], 0
        for row in rows:
            batch.append(Spooled(*row))
            size += len(batch[-1].packed)
            if size >= most_bytes:
                break
        return batch

    def settle(self, batch: Sequence[Spooled], refused: Sequence[tuple[Spooled, str]]) -> None:
        """These, the first that wait, need not wait any more: Redis has them, but for those that it refused,
        with its words. Where the disk lets nothing be deleted, since it is full, they are passed over until
        it does. Raises `sqlite3.Error` where that does not do, since some were refused.
        """
        try:
            self._delete(batch[-1].number, refused)
        except sqlite3.Error as error:
            if refused:
                raise
            if not self._passed:
                log.error("spool.cannot_delete", error=str(error))  # noqa: TRY400 - the words say it all
            self._passed = batch[-1].number
        self.state = self._measured(self.state.deliveries - len(batch))
        self._cut_if_empty()

    @property
    def has_more_to_do(self) -> bool:
        """Whether `tidy` may change something."""
        return bool(self.state.refused or self._passed)

    def tidy(self) -> None:
        """Delete what was passed over, and put what Redis refused back to the front: the cause of either may
        have been mended. Where nothing else is in the file that fills the disk, another is begun. Raises
        `sqlite3.Error` or `OSError` where the disk takes nothing yet.
        """
        try:
            self._delete(self._passed)
        except sqlite3.Error:
            if self.state.deliveries or self.state.refused:
                raise
            self._begin_anew()
        self._take_refused_again()
        self.state = self._measured(self._count("deliveries"))
        self._cut_if_empty()

    def _delete(self, last: int, refused: Sequence[tuple[Spooled, str]] = ()) -> None:
        with self._transaction():
            self._db.executemany(
                "INSERT INTO refused VALUES (?, ?, ?, ?)",
                [(each.number, each.received_ms, each.packed, words) for each, words in refused],
            )
            self._db.execute("DELETE FROM deliveries WHERE number <= ?", (last,))
            self._db.execute("DELETE FROM events WHERE number <= ?", (last,))
        self._passed = 0

    def _begin_anew(self) -> None:
        self._db.close()
        for end in ("", "-wal", "-shm"):
            Path(f"{self._path}{end}").unlink(missing_ok=True)
        self._open()
        self._passed = 0

    def _open(self) -> None:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        self._db = _opened(self._path)
        self._file = self._path.stat()

    def _cut_if_empty(self) -> None:
        if not (self.state.deliveries or self.has_more_to_do):
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.state = self._measured(0)

    def close(self) -> None:
        self._db.close()
        self._lock.release()

    def _answer(self, admission: Admission, number: int, received_ms: int) -> Admitted:
        # Each name with the time since when it stands for the same event; 0 where it always does.
        names = {f"id:{admission.reopen_id}": 0}
        if admission.message_key:
            names[f"reply:{admission.message_key}"] = 0
        if admission.weak_key:
            names[f"body:{admission.weak_key}"] = received_ms - admission.weak_seconds * 1000
        for name, since_ms in names.items():
            row = self._db.execute(
                "SELECT received_ms, reopen_id, held_for, body_hash FROM events WHERE name = ?", (name,)
            ).fetchone()
            if row is not None and row[0] > since_ms:
                _, reopen_id, held_for, body_hash = row
                conflict = reopen_id == admission.reopen_id and body_hash != admission.body_hash
                status = "held" if held_for else "queued"
                return Admitted("duplicate", reopen_id, status, held_for or "", conflict)
        self._db.executemany(
            "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?)",
            [
                (name, number, received_ms, admission.reopen_id, admission.held_for, admission.body_hash)
                for name in names
            ],
        )
        if admission.held_for:
            return Admitted("held", admission.reopen_id, "held", admission.held_for, conflict=False)
        return Admitted("accepted", admission.reopen_id, "queued", "", conflict=False)

    def _take_refused_again(self) -> None:
        with self._transaction():
            self._db.execute("INSERT INTO deliveries SELECT number, received_ms, packed FROM refused")
            self._db.execute("DELETE FROM refused")

    def _measured(self, deliveries: int) -> SpoolState:
        """`deliveries` is counted along, since counting reads all of them."""
        oldest = self._db.execute(
            "SELECT received_ms FROM deliveries WHERE number > ? ORDER BY number LIMIT 1", (self._passed,)
        ).fetchone()
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return SpoolState(
            deliveries,
            oldest[0] if oldest else None,
            self._count("refused"),
            (pages - free) * size,
            self._limit_bytes,
        )

    def _count(self, table: str) -> int:
        return int(self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - names of ours

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _opened(path: Path) -> sqlite3.Connection:
    # Transactions are begun by hand; another thread may call than the one that opened it.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _make_ready(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _make_ready(db: sqlite3.Connection, path: Path) -> None:
    for setting in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON"):
        db.execute(f"PRAGMA {setting}")
    form = db.execute("PRAGMA user_version").fetchone()[0]
    if form == 0:
        db.executescript(f"BEGIN; {TABLES} COMMIT;")
    elif form != FORM:
        raise SpoolUnusable(
            f"the spool {path} was written by another version (form {form}, known is {FORM}):"
            " start that version until it is empty"
        )


_MEND = "mend that, set REOPENER_DATA_DIR to a folder on a disk that lasts, or leave REOPENER_SPOOL_MB unset"
