"""What an event leaves in the ledger: from an event and its decision to an admission (rule 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.domain.decide import Accept, Hold
from service.domain.reopens import reopen_id
from service.ledger.admission import Admission, HalfReply, hashed

if TYPE_CHECKING:
    from service.domain.events import Event
    from service.settings import SourceSettings


def admission(
    source: SourceSettings,
    event: Event,
    decision: Accept | Hold,
    *,
    body_hash: str,
    delivery_id: str,
    now_ms: int,
    retry_window_seconds: int,
) -> Admission:
    """What is to be remembered. An event with a blank id is told by its body's hash, for as long as its
    helpdesk may repeat it (`retry_window_seconds`).
    """
    event_id, weak_seconds = event.event_id, event.weak_id_window_seconds or 0
    if not event_id:
        event_id, weak_seconds = body_hash, retry_window_seconds
    occurrence = f"{event_id}\0{now_ms}" if weak_seconds else event_id
    contact_id: int | None = None
    thread_id: int | None = None
    held_for: str | None = None
    detail: str | None = None
    email: str | None = None
    if isinstance(decision, Hold):
        held_for, detail = decision.reason, decision.detail
    else:
        contact_id, thread_id = decision.contact_id, decision.thread_id
        if contact_id is None or thread_id is None:
            if source.lookup == "email" and event.customer_email:
                email = event.customer_email
            else:
                held_for = "thread_unknown" if contact_id is not None else "contact_unknown"
    return Admission(
        reopen_id=reopen_id(source.name, occurrence),
        source=source.name,
        event_id=event.event_id or event_id,
        delivery_id=delivery_id,
        body_hash=body_hash,
        ticket_id=event.ticket_id,
        contact_id=contact_id,
        thread_id=thread_id,
        text=event.text,
        email=email,
        address=event.customer_email,
        held_for=held_for,
        detail=detail,
        message_key=_message_key(source.name, event),
        weak_key=f"{source.name}:{event_id}" if weak_seconds else None,
        weak_seconds=weak_seconds,
        half=_half(source.name, event, now_ms, retry_window_seconds),
    )


def _message_key(source: str, event: Event) -> str | None:
    """Names the customer's reply: several events of one reply are one."""
    if not event.message_id or not event.ticket_id:
        return None
    return hashed(source, event.ticket_id, event.message_id)


def _half(source: str, event: Event, now_ms: int, retry_window_seconds: int) -> HalfReply | None:
    if event.half is None or not event.ticket_id:
        return None
    moment_ms = int(event.occurred_at.timestamp() * 1000) if event.occurred_at else now_ms
    return HalfReply(event.half, hashed(source, event.ticket_id), moment_ms, retry_window_seconds)
