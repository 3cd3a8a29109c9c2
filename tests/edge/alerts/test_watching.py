"""Several watchers, deaths among them: each alert is told once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from service.alerts.transitions import Notice
from service.alerts.watcher import TURN_MS, Watcher
from service.clock import SystemClock
from service.intake.spool import SpoolState
from service.ledger import Ledger
from service.settings import Channel
from tests.clocks import HandClock
from tests.edge.alerts.hooked import Hook, channels, notice

WORKER = "rq:worker:made-up"


async def until_async(holds: Any) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - it is another process that makes it so
            await asyncio.sleep(0.02)


def redis_ms(server: Any) -> int:
    seconds, microseconds = server.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


class TestWatching:
    async def test_of_several_processes_one_tells_once(self, ledger: Ledger, server, hook: Hook):
        """However many receivers watch: one message when it begins, one when it is over, in order."""
        clock = HandClock()
        watchers = [Watcher(ledger, channels(hook.address), clock, tick_seconds=0.05) for _ in range(3)]
        for each in watchers:
            each.start()
        await until_async(lambda: b"pending" in (server.hget("reopener:alerts", "doc") or b""))
        clock.moment += timedelta(seconds=31)
        await until_async(lambda: hook.taken)
        server.sadd("rq:workers:reopener", WORKER)
        server.hset(WORKER, "birth", "now")
        await until_async(lambda: b"clearing" in server.hget("reopener:alerts", "doc"))
        clock.moment += timedelta(seconds=61)
        await until_async(lambda: len(hook.taken) == 2)
        for each in watchers:
            await each.stop()
        told = [(each["slug"], each["state"], each["type"]) for each in hook.taken]
        assert told == [("no_worker", "firing", "failure"), ("no_worker", "resolved", "success")]
        assert "https://reopener.example.com/" in hook.taken[0]["message"]
        assert hook.asked == 2
        assert server.hget("reopener:alerts", "doc") == b"{}"

    async def test_who_follows_a_dead_sender(self, ledger: Ledger, server, hook: Hook):
        """A message that its sender died with is sent by the next one half a minute later, once."""
        await ledger.alerts.change(0, "{}", [notice().text()], ["ALERTS_0"])
        assert await ledger.alerts.take("ALERTS_0") is not None  # and nothing more is heard of who took it
        settings = channels(hook.address)
        watcher = Watcher(ledger, settings, SystemClock())
        await watcher.deliver(settings.channels[0])
        assert hook.taken == []
        held_ms = int(server.hget("reopener:alerts", "hold:ALERTS_0"))
        assert 0 < held_ms - int(server.time()[0]) * 1000 <= 31_000
        server.hset("reopener:alerts", "hold:ALERTS_0", "0")
        await watcher.deliver(settings.channels[0])
        await watcher.deliver(settings.channels[0])
        assert [each["id"] for each in hook.taken] == ["died-1-firing"]

    async def test_every_receiver_tells_of_its_disk(self, ledger: Ledger, server):
        """Whose turn it is, knows what Redis refuses on another's disk, while that one still tells so."""
        clock, told = HandClock(), []

        async def send(_: Channel, what: Notice) -> str | None:
            told.append((what.slug, what.state))
            return None

        settings = channels("http://127.0.0.1/never-asked")
        state = SpoolState(deliveries=1, oldest_ms=1, refused=1, bytes=1, limit_bytes=2)
        one = Watcher(ledger, settings, clock, spool=lambda: state, sending=send)
        other = Watcher(ledger, settings, clock, sending=send)
        server.set("reopener:alerts:turn", "the other's")
        await one.evaluate()
        for minutes in (0, 2, 2):
            clock.moment += timedelta(minutes=minutes)
            server.delete("reopener:alerts:turn")
            await other.evaluate()
            await other.deliver(settings.channels[0])
        assert [each for each in told if each[0] == "spool_refused"] == [
            ("spool_refused", "firing"),
            ("spool_refused", "resolved"),
        ]

    async def test_a_transition_and_its_message_are_one(self, ledger: Ledger, server):
        """Who decided from what was known before somebody else changed it, neither notes nor sends."""
        assert await ledger.alerts.change(0, '{"a": 1}', [notice().text()], ["ALERTS_0"])
        assert not await ledger.alerts.change(0, '{"b": 1}', [notice(id="other").text()], ["ALERTS_0"])
        assert await ledger.alerts.known() == (1, '{"a": 1}')
        assert server.llen("reopener:alerts:out:ALERTS_0") == 1

    async def test_only_whose_turn_it_is_looks(self, ledger: Ledger, server):
        """While it is another's turn nothing is noted; a turn taken is nobody else's until shortly before the
        next look is due.
        """
        settings = channels("http://127.0.0.1/never-asked")
        one, other = (Watcher(ledger, settings, SystemClock(), tick_seconds=20) for _ in range(2))
        server.set("reopener:alerts:turn", "the other's")
        await one.evaluate()
        assert server.hget("reopener:alerts", "doc") is None
        server.delete("reopener:alerts:turn")
        await one.evaluate()
        assert b"pending" in server.hget("reopener:alerts", "doc")
        assert 0 < server.pttl("reopener:alerts:turn") <= TURN_MS
        server.hdel("reopener:alerts", "doc")
        await other.evaluate()
        assert server.hget("reopener:alerts", "doc") is None

    async def test_a_refused_message_is_tried_again_after_a_pause(self, ledger: Ledger, server):
        """Each time twice as long after it was refused, and not before."""
        asked: list[str] = []

        async def refuse(_: Channel, what: Notice) -> str | None:
            asked.append(what.id)
            return "no"

        settings = channels("http://127.0.0.1/never-asked")
        watcher = Watcher(ledger, settings, SystemClock(), sending=refuse)
        await ledger.alerts.change(0, "{}", [notice().text()], ["ALERTS_0"])
        for tries, pause_ms in enumerate((5_000, 10_000, 20_000, 40_000), 1):
            server.hset("reopener:alerts", "hold:ALERTS_0", "0")
            before = redis_ms(server)
            await watcher.deliver(settings.channels[0])
            held_ms = int(server.hget("reopener:alerts", "hold:ALERTS_0"))
            assert before + pause_ms <= held_ms <= redis_ms(server) + pause_ms
            await watcher.deliver(settings.channels[0])
            assert len(asked) == tries

    async def test_nobody_tries_for_ever(self, ledger: Ledger, server):
        """A message that is refused five times is given up, told so, and the next one goes on."""
        asked: list[str] = []

        async def send(_: Channel, what: Notice) -> str | None:
            asked.append(what.id)
            return "no" if what.id != "next" else None

        settings = channels("http://127.0.0.1/never-asked")
        watcher = Watcher(ledger, settings, SystemClock(), sending=send)
        both = [notice().text(), notice(id="next", title="next").text()]
        await ledger.alerts.change(0, "{}", both, ["ALERTS_0"])
        for _ in range(5):
            await watcher.deliver(settings.channels[0])
            server.hset("reopener:alerts", "hold:ALERTS_0", "0")
        assert asked == ["died-1-firing"] * 5
        await watcher.deliver(settings.channels[0])
        assert asked[5:] == ["next"]
        latest = await ledger.alerts.latest()
        assert [(each.title, each.error is None) for each in latest[:2]] == [
            ("next", True),
            ("2 died", False),
        ]
        assert latest[1].error == "given up"

    async def test_the_fifty_latest_sendings_are_told(self, ledger: Ledger):
        """How messages were sent is told newest first, and no more of it is kept than people look at."""
        told = [notice(id=f"n{number}", title=f"{number}").text() for number in range(60)]
        await ledger.alerts.change(0, "{}", told, ["ALERTS_0"])

        async def send(_: Channel, what: Notice) -> str | None:
            return None

        settings = channels("http://127.0.0.1/never-asked")
        await Watcher(ledger, settings, SystemClock(), sending=send).deliver(settings.channels[0])
        latest = [each.title for each in await ledger.alerts.latest(limit=1_000)]
        assert latest == [str(number) for number in range(59, 9, -1)]

    async def test_the_hundred_latest_are_kept(self, ledger: Ledger, server):
        """What a channel that takes nothing is still to be told does not grow for ever; the oldest goes."""
        told = [notice(id=f"n{number}").text() for number in range(120)]
        await ledger.alerts.change(0, "{}", told, ["ALERTS_0"])
        assert server.llen("reopener:alerts:out:ALERTS_0") == 100
        taken = await ledger.alerts.take("ALERTS_0")
        assert Notice.parse(taken.notice).id == "n20"

    async def test_a_channel_that_fails_keeps_no_other_waiting(self, ledger: Ledger, server, hook: Hook):
        """Each channel has its own line: where one is refused, the other has its message once."""
        settings = channels("http://127.0.0.1:1/nobody", hook.address)
        watcher = Watcher(ledger, settings, SystemClock())
        await ledger.alerts.change(0, "{}", [notice().text()], ["ALERTS_0", "ALERTS_1"])
        for channel in settings.channels:
            await watcher.deliver(channel)
        assert len(hook.taken) == 1
        assert server.llen("reopener:alerts:out:ALERTS_0") == 1
        assert server.llen("reopener:alerts:out:ALERTS_1") == 0
