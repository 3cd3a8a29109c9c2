"""While Redis is away deliveries wait on this machine's disk, and are admitted once, in order, thereafter."""

from __future__ import annotations

import asyncio
import random
import threading

import pytest

from service.clock import SystemClock
from service.domain.reopens import reopen_id
from service.intake import detour as detours
from service.intake.spool import Spool
from service.ledger.admission import Admission, packed_delivery
from tests.edge.events import event
from tests.edge.intake.spooling import Receiving, receiving, tried_one, waiting_in

MB = 1024 * 1024

pytestmark = pytest.mark.usefixtures("no_time_of_its_own")


async def test_an_outage_is_not_seen_from_outside(ledger, connection, tmp_path):
    """What comes while Redis is away is answered as accepted, and is in Redis in order when it is back."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        assert (await receiver.commit.admit([event("before")]))[0].verdict == "accepted"
        receiver.way.is_cut = lambda: True
        answers = await asyncio.gather(*(receiver.commit.admit([event(f"e{n}")]) for n in range(100)))
        assert [answer[0].verdict for answer in answers] == ["accepted"] * 100
        assert answers[7][0].reopen_id == reopen_id("desk", "e7")
        assert await waiting_in(connection) == ["before"]
        assert receiver.detour.state.deliveries == 100
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert receiver.detour.state.deliveries == 0
        assert (await receiver.commit.admit([event("after")]))[0].verdict == "accepted"
    assert await waiting_in(connection) == ["before", *(f"e{n}" for n in range(100)), "after"]
    assert (await ledger.counts.stats(0)).balanced


async def test_any_interleaving_of_outages_and_repeats_admits_each_event_once_in_order(
    ledger, connection, tmp_path
):
    """Whatever is cut, also answers and the receiver itself: each event is there once, in order."""
    rng = random.Random(20261125)
    for round_number in range(6):
        await connection.flushdb()
        first_answered: list[str] = []
        folder = tmp_path / f"spool-{round_number}"
        for _ in range(3):
            async with receiving(ledger, folder) as receiver:
                share = rng.choice((0.2, 0.6, 1.0))
                receiver.way.is_cut = lambda share=share: rng.random() < share
                receiver.way.answer_is_lost = lambda share=share: rng.random() < share / 2
                for _ in range(rng.randrange(5, 25)):
                    names = [f"e{rng.randrange(60)}" for _ in range(rng.randrange(1, 8))]
                    answers = await asyncio.gather(*(receiver.commit.admit([event(name)]) for name in names))
                    for name, (answer,) in zip(names, answers, strict=True):
                        assert answer.reopen_id == reopen_id("desk", name)
                        if name not in first_answered:
                            first_answered.append(name)
                    await asyncio.sleep(rng.choice((0, 0, 0.003)))
        async with receiving(ledger, folder) as receiver:
            await receiver.drained()
        assert await waiting_in(connection) == first_answered
        assert (await ledger.counts.stats(0)).accepted == len(first_answered)


async def test_what_waits_is_known_when_it_comes_again(ledger, tmp_path):
    """Ids, replies and bodies are known in the spool as they are in Redis."""
    weak = {"weak_key": "desk:body", "weak_seconds": 3600}
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True

        async def told(*admissions: Admission) -> list[tuple[str, str, bool]]:
            answers = await receiver.commit.admit(admissions)
            return [(each.verdict, each.reopen_id, each.conflict) for each in answers]

        one, reply, body = (reopen_id("desk", name) for name in ("one", "reply", "body"))
        assert await told(event("one"), event("held", held_for="drift")) == [
            ("accepted", one, False),
            ("held", reopen_id("desk", "held"), False),
        ]
        assert await told(event("one")) == [("duplicate", one, False)]
        assert await told(event("one", body_hash="other")) == [("duplicate", one, True)]
        assert await told(event("reply", message_key="m")) == [("accepted", reply, False)]
        assert await told(event("same reply", message_key="m")) == [("duplicate", reply, False)]
        assert await told(event("body", **weak)) == [("accepted", body, False)]
        assert await told(event("same body", **weak)) == [("duplicate", body, False)]
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert (await ledger.counts.stats(0)).accepted == 4


async def test_a_fault_of_ours_leaves_nobody_without_an_answer(ledger, connection, tmp_path, monkeypatch):
    """Where writing the spool meets a fault, the delivery is refused; one in draining leaves what waits."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        assert await tried_one(receiver, event("one")) == "accepted"
        with monkeypatch.context() as broken:
            broken.setattr(receiver.spool, "write", _fails)
            assert await tried_one(receiver, event("two")) == "a fault of ours: ValueError"
        drains = asyncio.Event()
        receiver.way.is_cut = lambda: drains.set() or _fails()
        await drains.wait()
        assert await tried_one(receiver, event("three")) == "accepted"
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    assert await waiting_in(connection) == ["one", "three"]


def _fails(*_: object) -> bool:
    raise ValueError


async def test_a_full_spool_refuses_and_what_waits_in_it_is_kept(ledger, connection, tmp_path):
    """Beyond its bound nothing is answered as stored; what was, is admitted, and then there is room again."""
    async with receiving(ledger, tmp_path / "spool", limit_bytes=MB) as receiver:
        receiver.way.is_cut = lambda: True
        tried = [f"e{number}" for number in range(40)]
        told = [await tried_one(receiver, event(name, text="x" * 40_000)) for name in tried]
        answered = tried[: told.index("Redis is away, and the spool is full")]
        assert len(answered) > 15
        files = sum(path.stat().st_size for path in (tmp_path / "spool").glob("*.sqlite3"))
        assert files <= MB
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert await waiting_in(connection) == answered
        assert (await receiver.commit.admit([event("after")]))[0].verdict == "accepted"
        assert receiver.detour.state.has_room


async def test_what_is_on_its_way_to_the_disk_counts_towards_the_bound(ledger, connection, tmp_path):
    """Of many that come at once no more is taken than there is room for, though nothing is written yet."""
    async with receiving(ledger, tmp_path / "spool", limit_bytes=MB) as receiver:
        receiver.way.is_cut = lambda: True
        names = [f"e{number}" for number in range(60)]
        told = await asyncio.gather(*(tried_one(receiver, event(name, text="x" * 40_000)) for name in names))
        assert set(told) == {"accepted", "Redis is away, and the spool is full"}
        assert sum(path.stat().st_size for path in (tmp_path / "spool").glob("*.sqlite3")) <= MB
        receiver.way.is_cut = lambda: False
        await receiver.drained()
    assert len(await waiting_in(connection)) == told.count("accepted")


async def test_a_receiver_that_ends_writes_what_it_has_taken(ledger, connection, tmp_path, monkeypatch):
    """What waits for the disk when the receiver ends is written and answered, and the next run admits it."""
    folder, goes_on = tmp_path / "spool", threading.Event()
    receiver = Receiving(ledger, folder)
    receiver.way.is_cut = lambda: True
    write = receiver.spool.write
    monkeypatch.setattr(receiver.spool, "write", lambda rows: goes_on.wait(10) and write(rows))
    first = asyncio.create_task(receiver.commit.admit([event("first")]))
    await receiver.until(lambda: receiver.detour._writing is not None)
    second = asyncio.create_task(receiver.commit.admit([event("second")]))
    ending = asyncio.create_task(receiver.detour.stop())
    await asyncio.sleep(0.01)
    goes_on.set()
    async with asyncio.timeout(10):
        answers = await asyncio.gather(first, second, ending)
    assert [answer[0].verdict for answer in answers[:2]] == ["accepted"] * 2
    async with receiving(ledger, folder) as receiver:
        await receiver.drained()
    assert await waiting_in(connection) == ["first", "second"]


async def test_what_waited_has_the_place_of_when_it_came(ledger, connection, tmp_path):
    """What another receiver admitted meanwhile stands behind what came before it and waited here."""
    spool = Spool(tmp_path, limit_bytes=MB)
    late = event("late")
    spool.write([([late], packed_delivery([late]), SystemClock().now_ms() - 60_000)])
    spool.close()
    await ledger.admissions.admit([event("direct")])
    async with receiving(ledger, tmp_path) as receiver:
        await receiver.drained()
    assert await waiting_in(connection) == ["late", "direct"]


async def test_what_redis_refuses_blocks_nobody_and_is_kept(ledger, connection, tmp_path):
    """A delivery with a key of another type in its way is set apart, and asked for again later."""
    folder = tmp_path / "spool"
    async with receiving(ledger, folder) as receiver:
        receiver.way.is_cut = lambda: True
        await connection.set("reopener:inbox:7", "not a sorted set")
        for name, thread_id in (("a", 5), ("poison", 7), ("b", 5)):
            await receiver.commit.admit([event(name, thread_id=thread_id)])
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert await waiting_in(connection) == ["a", "b"]
        assert (receiver.detour.state.deliveries, receiver.detour.state.refused) == (0, 1)
        assert (await receiver.commit.admit([event("c")]))[0].verdict == "accepted"
    await connection.delete("reopener:inbox:7")
    async with receiving(ledger, folder) as receiver:
        await receiver.drained()
        assert receiver.detour.state.refused == 0
    assert await waiting_in(connection, "7") == ["poison"]


async def test_what_makes_redis_refuse_a_whole_question_is_found(ledger, connection, tmp_path, caplog):
    """Where Redis answers many deliveries with an error, each is asked for alone, and one set apart."""
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_cut = lambda: True
        for name in ("a", "b", "poison", "c"):
            await receiver.commit.admit([event(name)])
        receiver.way.is_refused = lambda deliveries: any(b"poison" in packed for packed in deliveries)
        receiver.way.is_cut = lambda: False
        await receiver.drained()
        assert await waiting_in(connection) == ["a", "b", "c"]
        assert receiver.detour.state.refused == 1
    assert "spool.fault" not in caplog.text


async def test_what_redis_refused_is_asked_for_again(ledger, connection, tmp_path, monkeypatch):
    """Somebody may have mended it: what was set apart is tried again, also without a new start."""
    monkeypatch.setattr(detours, "TIDY_SECONDS", 0.01)
    async with receiving(ledger, tmp_path / "spool") as receiver:
        receiver.way.is_refused = lambda _: True
        receiver.way.is_cut = lambda: True
        await receiver.commit.admit([event("once refused")])
        receiver.way.is_cut = lambda: False
        await receiver.until(lambda: receiver.detour.state.refused == 1)
        receiver.way.is_refused = lambda _: False
        await receiver.until(lambda: not receiver.detour.state.refused and not receiver.detour.is_taken)
    assert await waiting_in(connection) == ["once refused"]
