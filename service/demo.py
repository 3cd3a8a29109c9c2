"""What `reopener run` shows on the sandbox, to tell that it works: a source, and a signed reply for it."""

from __future__ import annotations

import base64
import secrets
import shlex
from datetime import datetime

from service.settings import Secret, SourceSettings
from service.sources.base import Request
from service.sources.standard import KIND

SOURCE = "demo"
SECRET_VARIABLE = "REOPENER_DEMO_SECRET"  # noqa: S105 - the name of a variable
CONTACT_ID, THREAD_ID = 597_753, 1_684
"""A customer of its own: the one whom the examples name is as the sandbox made them, for who tries those."""
TABLE = f"""
[sources.{SOURCE}]
kind = "{KIND.name}"
secret_env = "{SECRET_VARIABLE}"
"""


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def reply(secret: str, *, event_id: str, now: datetime, origin: str) -> Request:
    """A signed reply of a customer of the sandbox's."""
    source = SourceSettings(name=SOURCE, kind=KIND.name, secrets=(Secret(secret),))
    return KIND.sample(
        source,
        url=f"{origin}/webhooks/{SOURCE}",
        now=now,
        event_id=event_id,
        contact_id=CONTACT_ID,
        thread_id=THREAD_ID,
    )


def shell_command(secret: str, request: Request) -> str:
    """A command for a POSIX shell that sends such a reply anew, each time it is pasted.

    It makes id, time and signature itself, since a signature is good for minutes only, and an id once.
    """
    key = secret.removeprefix("whsec_")
    sign = (
        f"import base64, hmac, sys; print(base64.b64encode(hmac.digest(base64.b64decode('{key}'),"
        " sys.stdin.buffer.read(), 'sha256')).decode())"
    )
    lines = (
        "( time=$(date +%s); id=demo-$time-$$-${RANDOM:-0}",
        f"  body={shlex.quote(request.body.decode())}",
        f'  signature=$(printf %s "$id.$time.$body" | python3 -c "{sign}")',
        f"  curl -sS {shlex.quote(request.url)} -H 'content-type: application/json' \\",
        '    -H "webhook-id: $id" -H "webhook-timestamp: $time" \\',
        '    -H "webhook-signature: v1,$signature" -d "$body"; echo )',
    )
    return "\n".join(lines)
