"""Where each helpdesk has what: a value put there is read as that field. After their documentation."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tests.unit.sources.configured import CONFIGURED
from tests.unit.sources.deliveries import request_of

BY_NAME = {one.name: one for one in CONFIGURED}
THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ISO, UNIX_S, UNIX_MS = "2026-01-02T03:04:05Z", 1767323045, 1767323045000
PART = "conversation_parts.conversation_parts.0"

PLACES = [
    ("standard", "data.ticket_id", 9, "ticket_id", "9"),
    ("standard", "data.ticket_status", "open", "ticket_status", "open"),
    ("standard", "data.contact_id", 9, "contact_id", "9"),
    ("standard", "data.thread_id", "9", "thread_id", "9"),
    ("standard", "data.author", "agent", "author", "agent"),
    ("standard", "data.message_id", "m9", "message_id", "m9"),
    ("standard", "data.customer_email", "a@b.example", "customer_email", "a@b.example"),
    ("standard", "data.customer_external_id", 9, "customer_external_id", "9"),
    ("standard", "timestamp", ISO, "occurred_at", THEN),
    ("zendesk", "id", "e9", "event_id", "e9"),
    ("zendesk", "type", "other", "type", "other"),
    ("zendesk", "detail.id", "t9", "ticket_id", "t9"),
    ("zendesk", "detail.status", "SOLVED", "ticket_status", "SOLVED"),
    ("zendesk", "detail.requester_id", "c9", "customer_external_id", "c9"),
    ("zendesk", "event.comment.id", "m9", "message_id", "m9"),
    ("zendesk", "event.comment.body", "words", "text", "words"),
    ("zendesk", "event.comment.author.is_staff", True, "author", "agent"),
    ("zendesk", "event.comment.is_public", False, "is_public", False),
    ("zendesk", "time", ISO, "occurred_at", THEN),
    ("intercom", "id", "e9", "event_id", "e9"),
    ("intercom", "topic", "ping", "type", "ping"),
    ("intercom", "data.item.id", "t9", "ticket_id", "t9"),
    ("intercom", "data.item.state", "closed", "ticket_status", "closed"),
    ("intercom", "data.item.user.email", "a@b.example", "customer_email", "a@b.example"),
    ("intercom", "data.item.user.user_id", "c9", "customer_external_id", "c9"),
    ("intercom", "data.item.contacts.contacts.0.external_id", "c9", "customer_external_id", "c9"),
    ("intercom", f"data.item.{PART}.id", "m9", "message_id", "m9"),
    ("intercom", f"data.item.{PART}.body", "<p>words</p>", "text", "words"),
    ("intercom", f"data.item.{PART}.author.type", "admin", "author", "agent"),
    ("intercom", f"data.item.{PART}.author.email", "a@b.example", "customer_email", "a@b.example"),
    ("intercom", f"data.item.{PART}.part_type", "note", "is_public", False),
    ("intercom", "created_at", UNIX_S, "occurred_at", THEN),
    ("freshdesk", "freshdesk_webhook.ticket_id", 9, "ticket_id", "9"),
    ("freshdesk", "freshdesk_webhook.ticket_status", "Closed", "ticket_status", "Closed"),
    ("freshdesk", "freshdesk_webhook.requester_email", "a@b.example", "customer_email", "a@b.example"),
    ("freshdesk", "freshdesk_webhook.ticket_contact_unique_external_id", 9, "customer_external_id", "9"),
    ("freshdesk", "freshdesk_webhook.triggered_event", "{status:{from:4,to:6}}", "type", "status"),
    ("freshdesk", "freshdesk_webhook.requester_name", "Somebody Else", "author", None),
    ("freshservice", "freshservice_webhook.ticket_id", 9, "ticket_id", "9"),
    ("freshservice", "freshservice_webhook.requester_email", "a@b.example", "customer_email", "a@b.example"),
    ("freshchat", "data.message.id", "m9", "event_id", "m9"),
    ("freshchat", "data.message.id", "m9", "message_id", "m9"),
    ("freshchat", "data.message.conversation_id", "t9", "ticket_id", "t9"),
    ("freshchat", "data.message.actor_type", "agent", "author", "agent"),
    ("freshchat", "data.message.actor_id", "c9", "customer_external_id", "c9"),
    ("freshchat", "data.message.message_type", "private", "is_public", False),
    ("freshchat", "data.message.message_parts.0.text.content", "words", "text", "words"),
    ("freshchat", "action", "other", "type", "other"),
    ("freshchat", "action_time", ISO, "occurred_at", THEN),
    ("helpscout", "id", 9, "ticket_id", "9"),
    ("helpscout", "status", "closed", "ticket_status", "closed"),
    ("helpscout", "primaryCustomer.email", "a@b.example", "customer_email", "a@b.example"),
    ("helpscout", "primaryCustomer.id", 9, "customer_external_id", "9"),
    ("helpscout", "_embedded.threads.0.id", 9, "message_id", "9"),
    ("helpscout", "_embedded.threads.0.id", 9, "event_id", "convo.customer.reply.created:4711:9"),
    ("helpscout", "_embedded.threads.0.createdBy.type", "user", "author", "agent"),
    ("helpscout", "_embedded.threads.0.body", "<b>words</b>", "text", "words"),
    ("helpscout", "_embedded.threads.0.createdAt", ISO, "occurred_at", THEN),
    *(
        (name, f"{root}{path}", written, field, read)
        for name, root in (("front-app", "payload."), ("front-rule", ""))
        for path, written, field, read in (
            ("id", "e9", "event_id", "e9"),
            ("conversation.id", "t9", "ticket_id", "t9"),
            ("conversation.status", "archived", "ticket_status", "archived"),
            ("target.data.id", "m9", "message_id", "m9"),
            ("target.data.text", "words", "text", "words"),
            ("target.data.is_inbound", False, "author", "agent"),
            ("target.data.author", {"id": "tea_1"}, "author", "agent"),
            ("target.data.recipients.0.handle", "a@b.example", "customer_email", "a@b.example"),
            ("emitted_at", UNIX_S, "occurred_at", THEN),
        )
    ),
    ("front-app", "type", "sync", "type", "sync"),
    ("hubspot", "0.objectId", 9, "ticket_id", "9"),
    ("hubspot", "0.messageId", "m9", "message_id", "m9"),
    ("hubspot", "0.messageId", "m9", "event_id", "4711-m9"),
    ("hubspot", "0.objectId", 9, "event_id", "9-evt_1"),
    ("hubspot", "0.messageType", "COMMENT", "is_public", False),
    ("hubspot", "0.subscriptionType", "other", "type", "other"),
    ("hubspot", "0.occurredAt", UNIX_MS, "occurred_at", THEN),
    ("gorgias", "id", 9, "event_id", "9"),
    ("gorgias", "id", 9, "message_id", "9"),
    ("gorgias", "ticket_id", 9, "ticket_id", "9"),
    ("gorgias", "from_agent", "true", "author", "agent"),
    ("gorgias", "public", False, "is_public", False),
    ("gorgias", "stripped_text", "words", "text", "words"),
    ("gorgias", "sender.email", "a@b.example", "customer_email", "a@b.example"),
    ("gorgias", "created_datetime", ISO, "occurred_at", THEN),
    ("kustomer", "id", "e9", "event_id", "e9"),
    ("kustomer", "name", "other", "type", "other"),
    ("kustomer", "data.id", "m9", "message_id", "m9"),
    ("kustomer", "data.relationships.conversation.data.id", "t9", "ticket_id", "t9"),
    ("kustomer", "data.relationships.customer.data.id", "c9", "customer_external_id", "c9"),
    ("kustomer", "data.attributes.direction", "out", "author", "agent"),
    ("kustomer", "data.attributes.preview", "words", "text", "words"),
    ("kustomer", "data.attributes.meta.from", "a@b.example", "customer_email", "a@b.example"),
    ("kustomer", "createdAt", ISO, "occurred_at", THEN),
    ("jira", "issue.key", "DESK-9", "ticket_id", "DESK-9"),
    ("jira", "issue.fields.status.name", "Done", "ticket_status", "Done"),
    ("jira", "comment.id", "m9", "message_id", "m9"),
    ("jira", "comment.body", "words", "text", "words"),
    ("jira", "comment.author.accountType", "atlassian", "author", "agent"),
    ("jira", "comment.author.accountId", "c9", "customer_external_id", "c9"),
    ("jira", "comment.jsdPublic", False, "is_public", False),
    ("jira", "webhookEvent", "other", "type", "other"),
    ("jira", "timestamp", UNIX_MS, "occurred_at", THEN),
    ("crisp-plugin", "data.fingerprint", 9, "event_id", "9"),
    ("crisp-plugin", "data.fingerprint", 9, "message_id", "9"),
    ("crisp-plugin", "data.session_id", "t9", "ticket_id", "t9"),
    ("crisp-plugin", "data.from", "operator", "author", "agent"),
    ("crisp-plugin", "data.type", "note", "is_public", False),
    ("crisp-plugin", "data.content", "words", "text", "words"),
    ("crisp-plugin", "event", "other", "type", "other"),
    ("crisp-plugin", "data.timestamp", UNIX_MS, "occurred_at", THEN),
    ("chatwoot", "id", 9, "event_id", "9"),
    ("chatwoot", "id", 9, "message_id", "9"),
    ("chatwoot", "conversation.id", 9, "ticket_id", "9"),
    ("chatwoot", "conversation.status", "resolved", "ticket_status", "resolved"),
    ("chatwoot", "message_type", "outgoing", "author", "agent"),
    ("chatwoot", "private", True, "is_public", False),
    ("chatwoot", "content", "words", "text", "words"),
    ("chatwoot", "sender.email", "a@b.example", "customer_email", "a@b.example"),
    ("chatwoot", "sender.identifier", "c9", "customer_external_id", "c9"),
    ("chatwoot", "event", "other", "type", "other"),
    ("chatwoot", "created_at", ISO, "occurred_at", THEN),
    ("gladly", "id", "e9", "event_id", "e9"),
    ("gladly", "type", "PING", "type", "PING"),
    ("gladly", "content.conversationId", "t9", "ticket_id", "t9"),
    ("gladly", "content.messageId", "m9", "message_id", "m9"),
    ("gladly", "content.customerId", "c9", "customer_external_id", "c9"),
    ("gladly", "timestamp", ISO, "occurred_at", THEN),
    ("dixa", "event_id", "e9", "event_id", "e9"),
    ("dixa", "event_fqn", "other", "type", "other"),
    ("dixa", "data.conversation.csid", 9, "ticket_id", "9"),
    ("dixa", "data.conversation.status", "CLOSED", "ticket_status", "CLOSED"),
    ("dixa", "data.conversation.requester.email", "a@b.example", "customer_email", "a@b.example"),
    ("dixa", "data.message_id", "m9", "message_id", "m9"),
    ("dixa", "data.external_id", "c9", "customer_external_id", "c9"),
    ("dixa", "data.author.user_type", "Member", "author", "agent"),
    ("dixa", "data.text", "words", "text", "words"),
    ("dixa", "event_timestamp", ISO, "occurred_at", THEN),
    ("zoho-desk", "0.payload.id", "m9", "event_id", "m9"),
    ("zoho-desk", "0.payload.id", "m9", "message_id", "m9"),
    ("zoho-desk", "0.payload.ticketId", "t9", "ticket_id", "t9"),
    ("zoho-desk", "0.payload.direction", "out", "author", "agent"),
    ("zoho-desk", "0.payload.content", "<b>words</b>", "text", "words"),
    ("zoho-desk", "0.eventType", "other", "type", "other"),
    ("zoho-desk", "0.eventTime", str(UNIX_MS), "occurred_at", THEN),
    ("acquire", "event", "other", "type", "other"),
    ("acquire", "data.caseId", "9", "ticket_id", "9"),
    ("acquire", "data.status", "active", "ticket_status", "active"),
    ("acquire", "data.contact.id", "9", "customer_external_id", "9"),
]

OTHERS = [
    ("chatwoot", "conversation.id", "conversation.display_id", 9, "ticket_id", "9"),
    ("crisp-plugin", "data.timestamp", "timestamp", UNIX_MS, "occurred_at", THEN),
    ("freshchat", "data.message.actor_type", "actor.actor_type", "agent", "author", "agent"),
    ("freshchat", "data.message.actor_id", "actor.actor_id", "c9", "customer_external_id", "c9"),
    ("front-rule", "target", "conversation.last_message.id", "m9", "message_id", "m9"),
    ("front-rule", "target", "conversation.last_message.text", "words", "text", "words"),
    ("front-rule", "target", "conversation.recipient.handle", "a@b.example", "customer_email", "a@b.example"),
    ("gorgias", "stripped_text", "body_text", "words", "text", "words"),
    ("intercom", "data.item.state", "data.item.ticket_state", "resolved", "ticket_status", "resolved"),
    (
        "intercom",
        "data.item.contacts.contacts",
        "data.item.contacts.0.external_id",
        "c9",
        "customer_external_id",
        "c9",
    ),
    *(
        ("intercom", "data.item.conversation_parts", f"data.item.ticket_parts.ticket_parts.0.{path}", *told)
        for path, *told in (
            ("id", "m9", "message_id", "m9"),
            ("body", "<p>words</p>", "text", "words"),
            ("author.type", "admin", "author", "agent"),
            ("author", {"type": "user", "email": "a@b.example"}, "customer_email", "a@b.example"),
            ("part_type", "note", "is_public", False),
        )
    ),
]


def put(document, path, value):
    """Write a value at a path; what leads there is made."""
    steps = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step, following in pairwise(steps):
        document = _within(document, step, [] if isinstance(following, int) else {})
    _within(document, steps[-1], value)
    document[steps[-1]] = value


def _within(holder, step, otherwise):
    if isinstance(holder, list):
        holder.extend([otherwise] * (step + 1 - len(holder)))
    elif not isinstance(holder.get(step), dict | list) or isinstance(otherwise, list) != isinstance(
        holder[step], list
    ):
        holder[step] = otherwise
    return holder[step]


def read(name, change):
    one = BY_NAME[name]
    request = one.sample(ticket_id="4711")
    document = json.loads(request.body)
    change(document)
    [event] = one.kind.read(request_of(document, request.headers), one.source)
    return event


def named(rows):
    return [f"{row[0]}-{row[-2]}-{row[-4]}" for row in rows]


@pytest.mark.parametrize(("name", "path", "written", "field", "expected"), PLACES, ids=named(PLACES))
def test_what_stands_in_its_place_is_read(name, path, written, field, expected):
    """The value is read as that field, and is not what the sample has there anyway."""
    assert getattr(read(name, lambda _: None), field) != expected
    assert getattr(read(name, lambda document: put(document, path, written)), field) == expected


@pytest.mark.parametrize(("name", "gone", "path", "written", "field", "expected"), OTHERS, ids=named(OTHERS))
def test_what_has_two_places_is_read_from_the_other(name, gone, path, written, field, expected):
    """Where the first place has nothing, the field is read from the second."""

    def change(document):
        put(document, gone, None)
        put(document, path, written)

    assert getattr(read(name, change), field) == expected


def test_the_event_id_of_jira_is_in_its_header():
    """Nothing in the body is the id of a delivery."""
    [event] = BY_NAME["jira"].kind.read(BY_NAME["jira"].sample(event_id="e9"), BY_NAME["jira"].source)
    assert event.event_id == "e9"


@pytest.mark.parametrize(("opener", "actor"), [("agent", "user"), (None, "agent")])
def test_who_opened_a_conversation_of_freshchat(opener, actor):
    """The reopening names who did it, and else whose act it was."""
    reopening = {"interaction_id": "e9", "reopener": opener, "conversation": {"conversation_id": "t9"}}
    told = {"action": "conversation_reopen", "actor": {"actor_type": actor}, "data": {"reopen": reopening}}
    event = read("freshchat", lambda document: document.update(told))
    assert (event.event_id, event.ticket_id, event.author) == ("e9", "t9", "agent")


def test_the_null_of_dixa_is_no_id():
    """Dixa writes the word "null" where there is no external id."""
    assert (
        read("dixa", lambda document: put(document, "data.external_id", "null")).customer_external_id is None
    )
