"""Redis is killed and its append-only file loses its tail: who wrote what is missing writes it once more."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from service.embedded import find_server
from tests import redises, running
from tests.running import until

CONFIG = running.CONFIG.replace("settle_seconds = 1", "settle_seconds = 15")
"""Work may be written once more for as long as a forgotten call may act."""


class Forgetful:
    """A Redis that syncs its file every second, as most do, and can be made to forget."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._node = stack.enter_context(redises.node(find_server(), folder))
        self.url = self._node.url

    def known_bytes(self) -> int:
        return self._file().stat().st_size

    def forget(self, known_bytes: int) -> None:
        """Kill it, cut off what its file had more than that, and start it on what is left."""
        until(lambda: self.known_bytes() > known_bytes)  # a disk that syncs holds writes back for seconds
        self._node.kill()
        with self._file().open("r+b") as file:
            file.truncate(known_bytes)
        port = self._node.port
        self._node = self._stack.enter_context(redises.node(find_server(), self._folder, port=port))

    def _file(self) -> Path:
        parts = sorted(self._folder.glob("appendonlydir/*.incr.aof"))
        return parts[-1] if parts else self._folder / "appendonly.aof"


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def forgetful(tmp_path, stack):
    return Forgetful(tmp_path / "redis", stack)


def test_what_was_acknowledged_is_there_in_order(tmp_path, stack, forgetful):
    """Deliveries of the last seconds are back, in their order and before whatever comes now, each once."""
    site = stack.enter_context(running.site_on(running.environment(tmp_path, forgetful.url)))

    def send(number: int) -> httpx.Response:
        return site.deliver(running.reply(thread_id=1 + number % 3), event_id=f"event-{number}")

    assert [send(number).status_code for number in range(5)] == [200] * 5
    known_bytes = forgetful.known_bytes()
    assert [send(number).json()["status"] for number in range(5, 40)] == ["accepted"] * 35
    forgetful.forget(known_bytes)
    until(lambda: send(40).status_code == 200)
    told = site.api("GET", "/api/reopens?limit=100").json()["reopens"]
    assert [each["event_id"] for each in reversed(told)] == [f"event-{number}" for number in range(41)]
    assert [send(number).json()["status"] for number in range(41)] == ["duplicate"] * 41
    assert site.stats()["balanced"]


def test_without_new_deliveries_too(tmp_path, stack, forgetful):
    """A receiver that nothing comes to sees within seconds that Redis is another, and admits once more."""
    site = stack.enter_context(running.site_on(running.environment(tmp_path, forgetful.url)))
    known_bytes = forgetful.known_bytes()
    reopen_id = site.deliver().json()["reopen_id"]
    forgetful.forget(known_bytes)
    until(lambda: site.api("GET", f"/api/reopens/{reopen_id}").status_code == 200)


def test_what_people_asked_for_is_done(tmp_path, stack, forgetful):
    """What was resolved, linked, and retried among many in the last seconds is so in the next run too."""
    site = stack.enter_context(running.site_on(running.environment(tmp_path, forgetful.url)))
    strange = [{"ticket_id": f"strange-{number}", "contact_id": None, "thread_id": None} for number in (1, 2)]
    ids = [
        site.deliver(running.reply(**told), event_id=f"event-{number}").json()["reopen_id"]
        for number, told in enumerate([{}, *strange])
    ]
    assert site.api("POST", f"/api/reopens/{ids[0]}/cancel").status_code == 200
    known_bytes = forgetful.known_bytes()
    home = {"contact_id": 5, "thread_id": 6}
    assert site.api("POST", f"/api/reopens/{ids[1]}/resolve", home).json()["status"] == "queued"
    assert site.api("PUT", "/api/links/support/strange-2", home).status_code == 200
    assert site.api("POST", "/api/reopens/retry", {"status": "cancelled"}).json()["count"] == 1
    forgetful.forget(known_bytes)
    told = [f"/api/reopens/{each}" for each in ids]
    until(lambda: [site.api("GET", path).json().get("status") for path in told] == ["queued"] * 3)
    assert site.stats()["balanced"]


def test_what_a_worker_did_is_known(tmp_path, stack, forgetful):
    """The case that a worker made is its reopen's, though Acquire shows no words and Redis forgot both."""
    acquire = stack.enter_context(running.sandbox(tmp_path))
    acquire.post("/_sandbox/faults", json=[{"kind": "textless", "rate": 1}]).raise_for_status()
    account = running.account_on(acquire)
    variables = running.environment(tmp_path, forgetful.url, config=CONFIG, **account)
    site = stack.enter_context(running.site_on(variables))
    log = tmp_path / "workers.log"
    stack.enter_context(running.process("-m", "workers", variables=variables, log=log))
    until(lambda: site.stats().get("workers"))
    known_bytes = forgetful.known_bytes()
    reopen_id = site.deliver().json()["reopen_id"]
    done = site.until(reopen_id, "reopened")
    forgetful.forget(known_bytes)
    found = until(lambda: _reopened(site, reopen_id))
    assert found["new_case_id"] == done["new_case_id"]
    assert len(acquire.get("/_sandbox/cases", params={"thread_id": 1683}).json()["cases"]) == 2


def test_a_redis_that_lost_everything(tmp_path, stack, forgetful):
    """A Redis that remembers no run before it is told of one, and nothing is sent before that."""
    acquire = stack.enter_context(running.sandbox(tmp_path))
    variables = running.environment(tmp_path, forgetful.url, config=CONFIG, **running.account_on(acquire))
    site = stack.enter_context(running.site_on(variables))
    log = tmp_path / "workers.log"
    stack.enter_context(running.process("-m", "workers", variables=variables, log=log))
    until(lambda: site.stats().get("workers"))
    reopen_id = site.deliver().json()["reopen_id"]
    done = site.until(reopen_id, "reopened")
    forgetful.forget(0)
    found = until(lambda: _reopened(site, reopen_id))
    assert found["new_case_id"] == done["new_case_id"]
    cases = acquire.get("/_sandbox/cases", params={"thread_id": 1683}).json()["cases"]
    assert [message["message"] for case in cases for message in case["messages"]] == ["It broke again."]
    assert site.redis.hget("reopener:account", "quarantine_until")


def _reopened(site: running.Site, reopen_id: str):
    answer = site.api("GET", f"/api/reopens/{reopen_id}")
    return answer.json() if answer.status_code == 200 and answer.json()["status"] == "reopened" else None
