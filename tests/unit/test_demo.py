"""The demo of `reopener run`: a reply signed as the scheme's own package expects, also from a shell."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from standardwebhooks.webhooks import Webhook

from service import demo

ORIGIN = "http://127.0.0.1:8080"


def test_reply_is_signed():
    """The oracle, the scheme's own package, takes the reply as authentic."""
    secret = demo.new_secret()
    reply = demo.reply(secret, event_id="demo-1", now=datetime.now(UTC), origin=ORIGIN)
    assert Webhook(secret).verify(reply.body, dict(reply.headers)) == json.loads(reply.body)
    assert reply.url == "http://127.0.0.1:8080/webhooks/demo"


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_shell_command_signs_by_itself(shell):
    """Pasted into a shell, also long after it was printed, the command sends a reply authentic now."""
    assert shutil.which("curl"), "this test needs curl"
    secret = demo.new_secret()
    with OneRequestServer() as server:
        old = demo.reply(
            secret, event_id="demo-1", now=datetime(2026, 1, 1, tzinfo=UTC), origin=server.origin
        )
        answer = subprocess.run(
            [shell, "-c", demo.shell_command(secret, old)],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    assert answer.stdout == "taken\n"
    assert Webhook(secret).verify(server.body, server.headers) == json.loads(old.body)
    assert server.path == "/webhooks/demo"


class OneRequestServer:
    """Takes one POST on a free port of loopback and keeps it."""

    def __enter__(self):
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                kept.path = self.path
                kept.headers = {name.lower(): value for name, value in self.headers.items()}
                kept.body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"taken")

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._server.timeout = 30
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.handle_request)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join()
        self._server.server_close()
