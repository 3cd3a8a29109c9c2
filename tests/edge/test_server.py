"""The server around the app: where it listens, and how it ends."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from service import server
from tests import running
from tests.running import process


@pytest.mark.parametrize(
    "sent", [b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhalf", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_not_answered_when_the_drain_is_over_gets_503(sent, monkeypatch, caplog):
    """A body that never comes, and an answer that never does, end with 503 and Retry-After: no bare 500."""
    serving: uvicorn.Server

    async def app(_: Any, receive: Any, __: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            serving.should_exit = True

    async def asked() -> bytes:
        listening = socket.create_server(("127.0.0.1", 0))
        task = asyncio.create_task(serving.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(sent)
        told = await reader.read()
        writer.close()
        await task
        return told

    monkeypatch.setattr(server, "DRAIN_SECONDS", 1)
    config = server.config(app, host="127.0.0.1", port=0)
    config.lifespan = "off"
    serving = uvicorn.Server(config)
    told = uvloop.run(asked())
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nretry-after: 5\r\n" in head.lower()
    assert b'"code":"stopping"' in body
    assert not [each for each in caplog.records if each.exc_info]


def test_idle_connections_are_kept_for_longer_than_proxies_keep_them():
    """A proxy that keeps idle connections for a minute never sends on one that is just being ended here."""
    assert server.config(None, host="127.0.0.1", port=0).timeout_keep_alive > 60


@pytest.mark.parametrize(
    ("host", "why"), [("127.0.0.1", "Address already in use"), ("203.0.113.7", "Cannot assign requested")]
)
def test_an_address_that_cannot_be_had_is_told_with_its_reason(redis_url, tmp_path: Path, host, why):
    """A port that is taken and an address of another machine end `serve` with 1, and with why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        variables = running.environment(tmp_path, redis_url, REOPENER_HOST=host, REOPENER_PORT=port)
        log = tmp_path / "log"
        with process("-m", "service", "serve", variables=variables, log=log) as receiver:
            assert receiver.wait(30) == 1
    (told,) = [line for line in log.read_text().splitlines() if line.startswith("reopener: ")]
    assert told.startswith(f"reopener: cannot listen on {host} port {port}: {why}")
