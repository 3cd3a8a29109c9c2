"""`front`: the webhook of an app (`variant = "app"`), of a rule (`"rule"`), or `"both"` at one address.

Signature of an app: base64 HMAC-SHA256 over `timestamp:body`, timestamp in ms, with the app's signing key; of
a rule: base64 HMAC-SHA1 of the body with the API secret, no timestamp. Source: dev.frontapp.com, "Application
webhooks" and "Rule webhooks"; payloads as captured by webhookdb and Zulip.
Delivery: retries not documented. Set-up of an app: a signed POST of type `sync` whose challenge is echoed.
An event `inbound` and the `reopen` it causes share the message's id.
"""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.base import Malformed, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.by_option import ByHeader, ByOption
from service.sources.parts.conversions import plain, unix_s, words
from service.sources.parts.fields import (
    Field,
    Payload,
    Shape,
    at,
    computed,
    first_of,
    pluck,
    split,
    written_by,
)
from service.sources.parts.hmac_scheme import HmacScheme
from service.sources.parts.json_body import parse_json
from service.sources.parts.samples import Example

_TIME = "x-front-request-timestamp"
_APP = HmacScheme(
    header="x-front-signature",
    encoding="base64",
    content="{timestamp}:{body}",
    timestamp_header=_TIME,
    timestamp_unit="ms",
)
_RULE = HmacScheme(header="x-front-signature", hash="sha1", encoding="base64")
_SCHEME = ByOption(
    "variant",
    {
        "app": _APP,
        "rule": _RULE,
        "both": ByHeader(_TIME, _APP, _RULE),
    },
)


def _challenge(request: Request, _source: Source) -> Mapping[str, object] | None:
    """The header is not signed, so the body must say as well that this is a set-up request."""
    challenge = request.headers.get("x-front-challenge")
    if challenge is None:
        return None
    try:
        document = parse_json(request.body)
    except Malformed:
        return None
    return {"challenge": challenge} if pluck(document, ("type",)) == _SET_UP else None


_SET_UP = "sync"


def _shape(root: str, marker: str = "") -> Shape:
    """The event under `root`; `target` is the message it is about, where it is about one."""
    target, last = f"{root}target.data", f"{root}conversation.last_message"
    author: Field[Author] = computed(f"{target}.is_inbound", lambda payload: _author(payload, root))
    message_id = first_of(at(f"{target}.id", words), at(f"{last}.id", words))
    return Shape(
        marker=marker,
        event_id=at(f"{root}id", words),
        type=at("type", words),
        ticket_id=at(f"{root}conversation.id", words),
        ticket_status=at(f"{root}conversation.status", words),
        author=author,
        # A reopening names no message: the customer's is the conversation's last one.
        text=written_by(
            author, "customer", field=first_of(at(f"{target}.text", plain), at(f"{last}.text", plain))
        ),
        message_id=written_by(author, "customer", field=message_id),
        customer_email=first_of(
            written_by(
                author,
                "customer",
                field=computed(f"{target}.recipients", lambda payload: _from(payload, target)),
            ),
            at(f"{root}conversation.recipient.handle", words),
        ),
        occurred_at=at(f"{root}emitted_at", unix_s),
        promised=("type", "ticket_id", "author", "text"),
    )


def _author(payload: Payload, root: str) -> Author | None:
    """Who wrote the message, or whose act opened the conversation again."""
    message = pluck(payload.document, split(f"{root}target.data"))
    if not isinstance(message, dict) or "is_inbound" not in message:
        actor = words(pluck(payload.document, split(f"{root}source._meta.type")))
        if actor == "teammate":
            return "agent"
        if actor in {"rule", "api"}:
            return "system"
        message = pluck(payload.document, split(f"{root}conversation.last_message"))
    match pluck(message, ("is_inbound",)):
        case True:
            return "customer" if pluck(message, ("author",)) is None else "agent"
        case False:
            return "agent"
        case _:
            return None


def _from(payload: Payload, message: str) -> str | None:
    recipients = pluck(payload.document, split(f"{message}.recipients"))
    for recipient in recipients if isinstance(recipients, list) else []:
        if pluck(recipient, ("role",)) == "from":
            return words(pluck(recipient, ("handle",)))
    return None


def _sample(example: Example) -> dict[str, object]:
    message_id = f"msg_{example.number:x}"
    message = {
        "id": message_id,
        "type": "email",
        "is_inbound": True,
        "created_at": example.unix_ms / 1000,
        "blurb": example.message[:80],
        "body": f"<p>{example.html}</p>",
        "text": example.message,
        "author": None,
        "recipients": [
            {"name": "Sample Customer", "handle": "customer@example.com", "role": "from"},
            {"name": None, "handle": "support@example.com", "role": "to"},
        ],
        "attachments": [],
    }
    event = {
        "id": example.event_id,
        "type": "inbound",
        "emitted_at": example.unix_ms / 1000,
        "conversation": {
            "id": example.ticket_id,
            "subject": "Screen broken",
            "status": "unassigned",
            "assignee": None,
            "recipient": {"handle": "customer@example.com", "role": "from"},
            "tags": [],
            "last_message": message,
        },
        "source": {"_meta": {"type": "inboxes"}, "data": []},
        "target": {"_meta": {"type": "message"}, "data": message},
    }
    if example.options.get("variant") == "rule":
        return event
    return {"type": "inbound_received", "authorization": {"id": "cmp_sample"}, "payload": event}


KIND = Kind(
    name="front",
    scheme=_SCHEME,
    # An app puts the event under "payload"; a rule sends the event itself.
    reading=Reading(
        (_shape("payload.", marker="payload"), _shape("")),
        Rules(
            reply_types=frozenset({"inbound_received", "inbound", "reopen"}), ping_types=frozenset({_SET_UP})
        ),
    ),
    sample_body=_sample,
    challenges=_challenge,
    retry_window_seconds=86_400,  # not documented: a day is what patient senders take
)
