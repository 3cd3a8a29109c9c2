"""What the spool is on the disk: its owner's, one process's, synced, and no longer than needed."""

from __future__ import annotations

import os
import sqlite3
import stat

import pytest

from service.embedded import FolderBusy
from service.intake import spool as module
from service.intake.spool import FILE_NAME, Spool, SpoolUnusable
from service.ledger.admission import packed_delivery
from tests.edge.events import event
from tests.edge.intake.spooling import receiving

MB = 1024 * 1024


def test_what_is_answered_is_on_the_disk(tmp_path):
    """Each write is synced before it counts, in a log that a torn write does not spoil."""
    spool = Spool(tmp_path, limit_bytes=MB)
    asked = {
        name: spool._db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "journal_mode", "fullfsync")
    }
    spool.close()
    # 2 is FULL; on macOS a disk keeps what it was told to sync in its own memory unless it is told so.
    assert asked == {"synchronous": 2, "journal_mode": "wal", "fullfsync": 1}


def test_what_waits_is_read_in_bounded_parts(tmp_path):
    """At least one delivery, and no more once the bytes are reached."""
    spool = Spool(tmp_path, limit_bytes=8 * MB)
    large = event("large", text="x" * MB)
    spool.write([([large], packed_delivery([large]), 1)] * 3)
    assert len(spool.first(64, 1)) == 1
    assert len(spool.first(64, 2 * MB)) == 2
    assert len(spool.first(2, 64 * MB)) == 2
    spool.close()


def test_a_write_that_fails_in_the_middle_leaves_nothing(tmp_path):
    """Deliveries are written together or not at all, and the next ones as if nothing had been."""
    spool = Spool(tmp_path, limit_bytes=MB)
    good, bad = event("good"), event("bad")
    with pytest.raises(sqlite3.Error):
        spool.write([([good], b"packed", 1), ([bad], object(), 1)])
    assert spool.first(64, MB) == []
    spool.write([([good], b"packed", 1)])
    assert [each.packed for each in spool.first(64, MB)] == [b"packed"]
    spool.close()


def test_what_was_admitted_makes_room(tmp_path):
    """The bound is on what waits: what Redis has by now takes none of it, though others still wait."""
    spool = Spool(tmp_path, limit_bytes=8 * MB)
    spool.write([([event(name)], b"x" * MB, 1) for name in ("a", "b", "c")])
    full = spool.state.bytes
    spool.settle(spool.first(2, 8 * MB), [])
    assert spool.state.deliveries == 1
    assert spool.state.bytes < full - 2 * MB + 100_000
    spool.close()


def test_a_held_event_is_told_as_held_when_it_comes_again(tmp_path):
    """A duplicate is told with the status of the first, and why a person has to look at it."""
    spool = Spool(tmp_path, limit_bytes=MB)
    held = event("held", held_for="drift")
    spool.write([([held], b"packed", 1)])
    ((again,),) = spool.write([([held], b"packed", 2)])
    assert (again.verdict, again.status, again.reason) == ("duplicate", "held", "drift")
    spool.close()


def test_an_event_is_known_while_it_waits(tmp_path):
    """Names go with their delivery; a body stands for an event only as long as its helpdesk repeats it."""
    spool = Spool(tmp_path, limit_bytes=MB)
    weak = {"weak_key": "desk:body", "weak_seconds": 3600}

    def written(name: str, received_ms: int) -> str:
        told = event(name, **weak)
        return spool.write([([told], packed_delivery([told]), received_ms)])[0][0].verdict

    hour_ms = 3_600_000
    times_ms = {"first": hour_ms, "repeated": 2 * hour_ms - 1, "another": 3 * hour_ms}
    verdicts = [written(name, received_ms) for name, received_ms in times_ms.items()]
    assert verdicts == ["accepted", "duplicate", "accepted"]
    assert spool.state.oldest_ms == hour_ms
    spool.settle(spool.first(64, MB), [])
    assert spool._db.execute("SELECT count(*) FROM events").fetchone() == (0,)
    spool.close()


async def test_it_is_its_owners_alone_and_keeps_no_words_once_it_is_empty(ledger, tmp_path):
    """Nobody else can read the spool, and a customer's words are gone from it when Redis has them."""
    folder = tmp_path / "spool"
    async with receiving(ledger, folder) as receiver:
        receiver.way.is_cut = lambda: True
        for number in range(20):
            await receiver.commit.admit([event(f"e{number}", text="customers-words " * 2_000)])
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert set(modes.values()) == {0o600}, modes
        assert any(b"customers-words" in path.read_bytes() for path in folder.iterdir())
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        contents = [path.read_bytes() for path in folder.iterdir()]
        assert not any(b"customers-words" in content for content in contents)
        assert sum(len(content) for content in contents) < 100_000


def test_a_folder_belongs_to_one_receiver(tmp_path):
    """A second receiver on the same folder is told who has it."""
    first = Spool(tmp_path, limit_bytes=MB)
    with pytest.raises(FolderBusy, match=f"pid {os.getpid()}"):
        Spool(tmp_path, limit_bytes=MB)
    first.close()
    Spool(tmp_path, limit_bytes=MB).close()


def test_a_file_that_is_no_spool_of_ours_is_left_alone(tmp_path):
    """Rubbish, another version's file and a place that cannot be written are refused by name."""
    path = tmp_path / FILE_NAME
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(SpoolUnusable, match=FILE_NAME):
        Spool(tmp_path, limit_bytes=MB)
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(SpoolUnusable, match="another version"):
        Spool(tmp_path, limit_bytes=MB)
    with pytest.raises(SpoolUnusable, match="another version"):
        Spool(tmp_path, limit_bytes=MB)
    with pytest.raises(SpoolUnusable, match="cannot be kept"):
        Spool(path / "below a file", limit_bytes=MB)


@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_written_to_a_file_that_is_gone(tmp_path, is_replaced: bool):
    """Where somebody removes the spool in use, no more is taken; what waited is still handed on."""
    spool = Spool(tmp_path, limit_bytes=MB)
    spool.write([([event("before")], b"before", 1)])
    for path in tmp_path.iterdir():
        path.unlink()
    if is_replaced:
        Spool(tmp_path, limit_bytes=MB).close()
    with pytest.raises(FileNotFoundError):
        spool.write([([event("after")], b"after", 2)])
    assert [each.packed for each in spool.first(64, MB)] == [b"before"]
    spool.close()


def test_a_spool_that_was_being_made_is_made_anew(tmp_path, monkeypatch):
    """Whatever ends its making, the next start finds nothing or all of it."""
    with monkeypatch.context() as broken:
        broken.setattr(module, "TABLES", module.TABLES.replace("PRAGMA", "nonsense; PRAGMA"))
        with pytest.raises(SpoolUnusable, match="nonsense"):
            Spool(tmp_path, limit_bytes=MB)
    Spool(tmp_path, limit_bytes=MB).close()


def refused(spool: Spool, name: str, received_ms: int) -> None:
    """A delivery that Redis does not take, set apart."""
    spool.write([([event(name)], name.encode(), received_ms)])
    batch = spool.first(64, MB)
    spool.settle(batch, [(each, "no") for each in batch])


def test_what_was_refused_keeps_its_place_and_time(tmp_path):
    """Whatever came and went meanwhile, each is asked for again as what it was, before what came later."""
    spool = Spool(tmp_path, limit_bytes=MB)
    refused(spool, "one", 1_000)
    refused(spool, "two", 2_000)
    spool.write([([event("three")], b"three", 3_000)])
    spool.tidy()
    waiting = [(each.packed, each.received_ms) for each in spool.first(64, MB)]
    assert waiting == [(b"one", 1_000), (b"two", 2_000), (b"three", 3_000)]
    assert (spool.state.deliveries, spool.state.refused, spool.state.oldest_ms) == (3, 0, 1_000)
    spool.close()


def test_what_is_settled_is_settled_as_a_whole(tmp_path):
    """Where the disk fails in between, all wait as before, and nothing is set apart."""
    spool = Spool(tmp_path, limit_bytes=MB)
    spool.write([([event(name)], name.encode(), 1) for name in ("one", "two")])
    one, two = spool.first(64, MB)
    with pytest.raises(sqlite3.Error):
        spool.settle([one, two], [(one, "no"), (two, object())])
    assert spool.first(64, MB) == [one, two]
    spool.settle([one], [(one, "no")])
    assert (spool.state.deliveries, spool.state.refused) == (1, 1)
    spool.close()


def test_what_was_refused_is_taken_again_as_a_whole(tmp_path):
    """Where the disk fails in between it stays set apart, and what starts anew is not in its own way."""
    spool = Spool(tmp_path, limit_bytes=MB)
    refused(spool, "one", 1)
    spool._db.execute(
        "CREATE TRIGGER fails BEFORE DELETE ON refused BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
    )
    with pytest.raises(sqlite3.Error):
        spool.tidy()
    assert spool.first(64, MB) == []
    spool._db.execute("DROP TRIGGER fails")
    spool.close()
    spool = Spool(tmp_path, limit_bytes=MB)
    assert spool.state.deliveries == 1
    spool.close()


def test_another_words_for_one_reply_are_no_conflict(tmp_path):
    """An event that tells of a reply which is known by another event has its own body."""
    spool = Spool(tmp_path, limit_bytes=MB)
    first, second = (
        event(name, message_key="reply", body_hash=f"hash of {name}") for name in ("message", "status")
    )
    spool.write([([first], b"packed", 1)])
    ((again,),) = spool.write([([second], b"packed", 2)])
    assert (again.verdict, again.reopen_id, again.conflict) == ("duplicate", first.reopen_id, False)
    spool.close()
