"""What Freshdesk and Freshservice send from an automation rule, in its simple form or after our template.

The simple form is an object with what was ticked in the rule: strings only, no event id, no event name but
`triggered_event`, which is no JSON (`{status:{from:4,to:6}}`). One address is for one rule, so what comes is
taken for what the rule is about: a reply, unless `triggered_event` says that it is a change of the ticket.
Source: Freshworks' support pages on automation rules, and Zulip's fixtures of them.
"""

from __future__ import annotations

import re
from dataclasses import replace

from service.domain.decide import Rules
from service.domain.events import Author
from service.sources.kind import Reading
from service.sources.parts.contract_body import BODY, REPLIED
from service.sources.parts.conversions import html, lower, words
from service.sources.parts.fields import Payload, Shape, at, computed
from service.sources.parts.samples import Example


def rule_reading(*roots: str) -> Reading:
    """Answer the reading of payloads under one of the roots, or after the contract's body."""
    shapes = [_rule_shape(root) for root in roots]
    return Reading(
        (replace(BODY, marker="data"), *shapes, replace(shapes[0], marker="")),
        Rules(reply_types=frozenset({_REPLY, REPLIED})),
    )


def rule_sample(root: str, example: Example) -> dict[str, object]:
    """Answer the simple form. Its address is new each time, since the body's hash stands for an id."""
    return {
        root: {
            "triggered_event": "{reply_sent:sent}",
            "ticket_id": example.ticket_id,
            "ticket_public_url": f"https://sample.example.com/public/tickets/{example.number:012x}",
            "ticket_subject": "Screen broken",
            "ticket_status": "Open",
            "ticket_latest_public_comment": f"Sample Customer : <div>{example.html}</div>",
            "requester_name": "Sample Customer",
            "requester_email": "customer@example.com",
        }
    }


def _rule_shape(root: str) -> Shape:
    comment, name = f"{root}.ticket_latest_public_comment", f"{root}.requester_name"
    requester = at(name, words)
    latest = at(comment, words)
    triggered = at(f"{root}.triggered_event", lower)

    def author(payload: Payload) -> Author | None:
        """The requester where the latest comment begins with that name; else it may be anybody."""
        return "customer" if _said(latest.read(payload), requester.read(payload)) is not None else None

    def text(payload: Payload) -> str | None:
        comment = latest.read(payload)
        own = _said(comment, requester.read(payload))
        return html(comment if own is None else own)

    return Shape(
        marker=root,
        event_id=None,
        type=computed(triggered.path, lambda payload: _type(triggered.read(payload))),
        ticket_id=at(f"{root}.ticket_id", words),
        ticket_status=at(f"{root}.ticket_status", words),
        author=computed(comment, author),
        is_public=computed(triggered.path, lambda payload: "private" not in (triggered.read(payload) or "")),
        text=replace(computed(comment, text), present=latest.present),
        customer_email=at(f"{root}.requester_email", words),
        customer_external_id=at(f"{root}.ticket_contact_unique_external_id", words),
        promised=("ticket_id", "text"),
    )


def _said(comment: str | None, name: str | None) -> str | None:
    """Answer what stands behind "name :" in a comment, None where it begins otherwise."""
    if comment is None or name is None or not comment.startswith(name):
        return None
    mark, colon, said = comment[len(name) :].partition(":")
    return said.strip() if colon and not mark.strip() else None


def _type(triggered: str | None) -> str:
    """Answer the property that changed, "reply" where none is named or it is one of those with a comment."""
    found = _FIRST_WORD.match(triggered or "")
    return found[1] if found and found[1] in _CHANGES else _REPLY


_REPLY = "reply"
_FIRST_WORD = re.compile(r"\{?\s*([a-z_]+)")
_CHANGES = frozenset(
    {
        "agent",
        "due_by",
        "group",
        "priority",
        "responder_id",
        "source",
        "status",
        "tag",
        "ticket_action",
        "ticket_type",
        "type",
    }
)
