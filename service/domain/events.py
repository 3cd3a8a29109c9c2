"""What a helpdesk tells: the event, read from a payload and not yet judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

Author = Literal["customer", "agent", "system"]
Half = Literal["message", "reopening"]
"""Some helpdesks tell of one reply in two events without an id in common: its message, and the reopening."""


@dataclass(slots=True)  # never changed; frozen would double what it costs to make one for each delivery
class Event:
    """What happened in the helpdesk, as one delivery tells it.

    `event_id` is stable over redeliveries and "" where the payload's id is blank. Where a helpdesk has no
    id of its own, it is a hash of the body and `weak_id_window_seconds` says for how long that helpdesk
    may repeat a delivery: the same body later is a new event. `message_id` is the id of the customer's
    reply: several events of one reply share it. `ticket_status` is spelled as the helpdesk spells it.
    `contact_id` and `thread_id` are as found in the payload, not yet validated. `drift` names the
    path of a promised field that an authentic payload no longer has. `half` says which of a reply's two
    events it is: those of the same ticket and moment (`occurred_at`) are one.
    """

    event_id: str
    type: str
    ticket_id: str | None = None
    ticket_status: str | None = None
    author: Author | None = None
    is_public: bool = True
    text: str | None = None
    message_id: str | None = None
    customer_email: str | None = None
    customer_external_id: str | None = None
    contact_id: str | None = None
    thread_id: str | None = None
    occurred_at: datetime | None = None
    weak_id_window_seconds: int | None = None
    drift: str | None = None
    half: Half | None = None
