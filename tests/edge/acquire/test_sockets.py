"""Sockets to Acquire: nothing is delivered once its sender is gone, and TLS is checked."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.clock import SystemClock
from service.domain.outcomes import Done, NotSent
from tests.edge.acquire.scripted import (
    CREATED,
    THREAD,
    Scripted,
    answer,
    client,
    hang,
    scripted,
    sending,
    settings,
    yes,
)
from workers.acquire import AcquireClient
from workers.acquire.connection import Connection
from workers.acquire.connections import Opening

ROOT = Path(__file__).parents[3]
TEXT = "x" * 8_000_000
SENDER = """
import asyncio, sys
import uvloop
from service.clock import SystemClock
from tests.edge.acquire.scripted import sending, settings, yes
from tests.edge.acquire.test_sockets import TEXT
from workers.acquire import AcquireClient
from workers.acquire.connection import Connection
from workers.acquire.connections import Opening

async def send():
    acquire = AcquireClient(settings(sys.argv[1], timeout_seconds=60), clock=SystemClock())
    await acquire.session().send(sending(text=TEXT), may_send=yes)

runner = uvloop.run if sys.argv[2] == "uvloop" else asyncio.run
runner(send())
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_killed_sender_delivers_nothing_more(loop: str):
    """After SIGKILL the kernel drops what was not delivered and resets, so that the request never arrives."""
    with socket.socket() as listening:
        # It inherits a small buffer, so that most of the request stays with the sender.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(20)
        origin = f"http://127.0.0.1:{listening.getsockname()[1]}"
        sender = subprocess.Popen([sys.executable, "-c", SENDER, origin, loop], cwd=ROOT)
        try:
            taken, _ = listening.accept()
            taken.settimeout(20)
            taken.recv(1, socket.MSG_PEEK)
        finally:
            sender.send_signal(signal.SIGKILL)
            sender.wait()
        with taken:
            received, end = _drained(taken)
    assert received < len(TEXT)
    assert end == "reset"


def _drained(connection: socket.socket) -> tuple[int, str]:
    """How many bytes still come, and how they end."""
    received = 0
    try:
        while chunk := connection.recv(65_536):
            received += len(chunk)
    except ConnectionResetError:
        return received, "reset"
    return received, "closed"


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_call_that_is_given_up_resets_its_connection(run):
    """Giving up resets the connection, and the kernel knows the time-out, on either event loop."""

    async def give_up() -> None:
        async with scripted() as server:
            server.script(hang())
            acquire = client(server, timeout_seconds=0.3)
            made: list[Connection] = []
            connections = acquire._wire._connections
            open_one = connections._opened

            async def opened(opening: Opening) -> Connection:
                made.append(await open_one(opening))
                return made[-1]

            connections._opened = opened
            calling = asyncio.create_task(acquire.session().send(sending(), may_send=yes))
            await server.until(lambda: len(server.received) == 1)
            (connection,) = made
            raw = connection._transport.get_extra_info("socket")
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 300
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == b"\1\0\0\0\0\0\0\0"
            await calling
            assert connection._transport.is_closing()
            assert not connections._idle
            await acquire.aclose()

    run(give_up())


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-made certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "for tests only")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture
async def tls_server(certificate: Path) -> AsyncIterator[Scripted]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with scripted(context) as server:
        server.script(answer(200, CREATED))
        yield server


async def test_a_certificate_nobody_vouches_for_is_not_sent_to(
    tls_server: Scripted, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    """A server whose certificate is not trusted gets nothing, whatever the environment says of whom to trust,
    and the reason is told.
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    acquire = client(tls_server)
    ended = await acquire.session().send(sending(), may_send=yes)
    assert isinstance(ended, NotSent)
    assert "certificate" in ended.error
    assert tls_server.received == []
    await acquire.aclose()


async def test_a_certificate_for_another_name_is_not_sent_to(tls_server: Scripted, certificate: Path):
    """A trusted certificate for another host gets nothing."""
    origin = tls_server.origin.replace("127.0.0.1", "localhost")
    trusting = ssl.create_default_context(cafile=str(certificate))
    acquire = AcquireClient(settings(origin), clock=SystemClock(), tls=trusting)
    assert isinstance(await acquire.session().send(sending(), may_send=yes), NotSent)
    assert tls_server.received == []
    await acquire.aclose()


async def test_the_last_check_holds_over_tls_too(tls_server: Scripted, certificate: Path):
    """Over TLS the handshake is timed, and a "no" at the last moment sends no byte of the request."""
    acquire = client(tls_server, tls=ssl.create_default_context(cafile=str(certificate)))
    session = acquire.session()
    assert await session.send(sending(), may_send=yes) == Done(1694, THREAD)
    assert [step for step, _ in session.calls()[0].timings_ms] == ["connect", "tls", "first_byte"]
    before = tls_server.bytes_received
    assert isinstance(await session.send(sending(), may_send=lambda: False), NotSent)
    await tls_server.until(lambda: tls_server.resets == 1)
    assert tls_server.bytes_received == before
    await acquire.aclose()
