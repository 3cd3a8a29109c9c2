"""`freshchat`: messages, and conversations that a user opened again.

Signature: base64 RSA PKCS#1 v1.5 with SHA-256 over the body. The secret here is Freshchat's public key; its
PEM label says `RSA PUBLIC KEY` though the content is SPKI, and both are taken. No timestamp, so only the
event id guards against replay. Source: Freshchat's support pages on webhooks; a signed message in
nyaruka/courier. Delivery: retries not documented (`X-Retry-Count` exists). Only ids of users, no addresses.
A message and the reopening it causes are two events with nothing in common but conversation and moment: the
two halves of one reply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.base import Options, Rejected, Request, Source
from service.sources.kind import Kind, Reading
from service.sources.parts.conversions import one_of, unix_s, words
from service.sources.parts.fields import Field, Payload, Shape, at, computed, pluck, split, written_by
from service.sources.parts.options import NoOptions
from service.sources.parts.public_keys import base64_of, rsa_public_key, rsa_signature, rsa_signed
from service.sources.parts.samples import Example
from service.sources.parts.signatures import decode_base64, required_header
from service.sources.parts.text import without_quotes

_HEADER = "x-freshchat-signature"


@dataclass(frozen=True, slots=True)
class RsaScheme(NoOptions):
    """The body signed with a private key of Freshchat's."""

    def check_secret(self, secret: str, _options: Options, /) -> str | None:
        if rsa_public_key(secret) is None:
            return "must be Freshchat's public key in PEM, from -----BEGIN to -----END"
        return None

    def verify(self, request: Request, source: Source, now: datetime, /) -> None:  # noqa: ARG002  # nothing is dated
        """Raise `Rejected` unless the private key of one of the source's public keys signed the body."""
        signature = decode_base64(required_header(request, _HEADER))
        if signature is None:
            raise Rejected("header_malformed", f"{_HEADER} is not base64")
        keys = [rsa_public_key(secret.reveal()) for secret in source.secrets]
        if not any(key is not None and rsa_signed(key, request.body, signature) for key in keys):
            raise Rejected(
                "signature_mismatch",
                "the public key is of another Freshchat account, or the body was rewritten on the way",
            )

    def sign(self, request: Request, source: Source, now: datetime, signing_key: str | None, /) -> Request:  # noqa: ARG002  # as verify
        """Answer the request signed with `signing_key`, an RSA private key in PEM."""
        signature = base64_of(rsa_signature(signing_key, request.body))
        return replace(request, headers={**request.headers, _HEADER: signature})


_AUTHORS: Mapping[str | bool, Author] = {
    "user": "customer",
    "agent": "agent",
    "bot": "system",
    "system": "system",
}
_PARTS = "data.message.message_parts"


def _text(payload: Payload) -> str | None:
    parts = pluck(payload.document, split(_PARTS))
    contents = [pluck(part, ("text", "content")) for part in parts] if isinstance(parts, list) else []
    return without_quotes("\n".join(each for each in contents if isinstance(each, str))) or None


_WRITER: Field[Author] = at("data.message.actor_type", one_of(_AUTHORS), "actor.actor_type")

_MESSAGE = Shape(
    event_id=at("data.message.id", words),
    type=at("action", words),
    ticket_id=at("data.message.conversation_id", words),
    author=_WRITER,
    is_public=at("data.message.message_type", one_of({"private": False}, True)),
    text=replace(computed(_PARTS, _text), present=at(_PARTS, words).present),
    message_id=at("data.message.id", words),
    customer_external_id=written_by(
        _WRITER, "customer", field=at("data.message.actor_id", words, "actor.actor_id")
    ),
    occurred_at=at("action_time", unix_s),
    promised=("type", "ticket_id", "author", "text"),
    half="message",
)

_OPENER: Field[Author] = at("data.reopen.reopener", one_of(_AUTHORS), "actor.actor_type")

_REOPENING = Shape(
    marker="data.reopen",
    event_id=at("data.reopen.interaction_id", words),
    type=at("action", words),
    ticket_id=at("data.reopen.conversation.conversation_id", words),
    ticket_status=at("data.reopen.conversation.status", words),
    author=_OPENER,
    customer_external_id=written_by(_OPENER, "customer", field=at("data.reopen.reopener_id", words)),
    occurred_at=at("action_time", unix_s),
    promised=("type", "ticket_id", "author"),
    half="reopening",
)


def _sample(example: Example) -> dict[str, object]:
    actor = {"actor_type": "user", "actor_id": "882f3926-b292-414b-a411-96380db373cd"}
    return {
        "actor": actor,
        "action": "message_create",
        "action_time": example.iso,
        "data": {
            "message": {
                "message_parts": [{"text": {"content": example.message}}],
                "app_id": "55b190fa-5d3c-45c4-bc49-74ddcfcf53d7",
                "id": example.event_id,
                "channel_id": "c8fddfaf-622a-4a0e-b060-4f3ccbeab606",
                "conversation_id": example.ticket_id,
                "message_type": "normal",
                "created_time": example.iso,
                **actor,
            }
        },
    }


KIND = Kind(
    name="freshchat",
    scheme=RsaScheme(),
    reading=Reading(
        (_REOPENING, _MESSAGE), Rules(reply_types=frozenset({"message_create", "conversation_reopen"}))
    ),
    sample_body=_sample,
    retry_window_seconds=86_400,  # not documented: a day is what patient senders take
)
