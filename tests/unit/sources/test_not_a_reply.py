"""Agents, notes and bots of every helpdesk are ignored, each with its reason."""

from __future__ import annotations

import json

import pytest

from service.domain.decide import Ignore, decide
from tests.unit.sources.configured import CONFIGURED
from tests.unit.sources.deliveries import request_of

BY_NAME = {one.name: one for one in CONFIGURED}
PART = "data.item.conversation_parts.conversation_parts.0"

CHANGES = [
    ("standard", "data.author", "agent", "agent_reply"),
    ("standard", "data.author", "workflow", "system_message"),
    ("standard", "data.ticket_status", "open", "ticket_not_closed"),
    ("standard", "type", "ticket.created", "event_type"),
    ("zendesk", "event.comment.author.is_staff", True, "agent_reply"),
    ("zendesk", "event.comment.is_public", False, "private_note"),
    ("zendesk", "type", "zen:event-type:ticket.created", "event_type"),
    ("intercom", f"{PART}.author.type", "admin", "agent_reply"),
    ("intercom", f"{PART}.author.type", "bot", "system_message"),
    ("intercom", f"{PART}.part_type", "note", "private_note"),
    ("intercom", "topic", "conversation.admin.closed", "event_type"),
    ("freshdesk", "freshdesk_webhook.triggered_event", "{priority:{from:1,to:2}}", "event_type"),
    ("freshdesk", "freshdesk_webhook.triggered_event", "{note_type:private}", "private_note"),
    ("freshchat", "data.message.actor_type", "agent", "agent_reply"),
    ("freshchat", "data.message.actor_type", "bot", "system_message"),
    ("freshchat", "data.message.message_type", "private", "private_note"),
    ("freshchat", "action", "conversation_resolution", "event_type"),
    ("front-app", "payload.target.data.is_inbound", False, "agent_reply"),
    ("front-app", "payload.target.data.author", {"id": "tea_1"}, "agent_reply"),
    ("front-app", "type", "outbound_sent", "event_type"),
    ("front-rule", "type", "archive", "event_type"),
    ("gorgias", "from_agent", True, "agent_reply"),
    ("gorgias", "public", False, "private_note"),
    ("kustomer", "data.attributes.direction", "out", "agent_reply"),
    ("kustomer", "name", "kustomer.note.create", "event_type"),
    ("jira", "comment.author.accountType", "atlassian", "agent_reply"),
    ("jira", "comment.author.accountType", "app", "system_message"),
    ("jira", "comment.jsdPublic", False, "private_note"),
    ("crisp-plugin", "data.from", "operator", "agent_reply"),
    ("crisp-plugin", "data.type", "note", "private_note"),
    ("crisp-plugin", "event", "message:received", "event_type"),
    ("gladly", "type", "CONTACT/ENDED", "event_type"),
    ("dixa", "data.author.user_type", "Member", "agent_reply"),
    ("dixa", "event_fqn", "CONVERSATION_CLOSED", "event_type"),
    ("zoho-desk", "payload.direction", "out", "agent_reply"),
    ("zoho-desk", "eventType", "Ticket_Update", "event_type"),
]


@pytest.mark.parametrize(
    ("name", "path", "value", "reason"),
    CHANGES,
    ids=[f"{name}-{path}-{value}" for name, path, value, _ in CHANGES],
)
def test_what_is_no_customers_public_reply_is_ignored(name, path, value, reason):
    """One value of a customer's reply changed to that of something else, and nothing is to be done."""
    one = BY_NAME[name]
    request = one.sample()
    document = json.loads(request.body)
    holder = document[0] if isinstance(document, list) else document
    *parents, last = path.split(".")
    for step in parents:
        holder = holder[int(step)] if step.isdigit() else holder[step]
    holder[last] = value
    [event] = one.kind.read(request_of(document, request.headers), one.source)
    decision = decide(event, one.kind.rules(one.source))
    assert isinstance(decision, Ignore)
    assert decision.reason == reason


def test_a_reopening_in_front_that_is_not_the_customers():
    """A conversation that a teammate opened again is an agent's doing; a rule's is the system's."""
    one = BY_NAME["front-rule"]
    for actor, reason in (("teammate", "agent_reply"), ("rule", "system_message"), ("api", "system_message")):
        document = json.loads(one.sample().body)
        del document["target"]
        document |= {"type": "reopen", "source": {"_meta": {"type": actor}}}
        [event] = one.kind.read(request_of(document), one.source)
        assert decide(event, one.kind.rules(one.source)).reason == reason
        assert event.text is None
