"""An authentic payload without the fields its kind promises is held, with the missing path named."""

from __future__ import annotations

import json

import pytest

from service.domain.decide import Hold, Ignore, decide
from service.sources import KINDS
from tests.unit.sources.configured import CONFIGURED, SECRET
from tests.unit.sources.deliveries import request_of, source_of

BY_NAME = {one.name: one for one in CONFIGURED}

PROMISED = [
    ("standard", "data.author"),
    ("standard", "type"),
    ("zendesk", "detail.id"),
    ("zendesk", "event.comment.author.is_staff"),
    ("zendesk", "event.comment.body"),
    ("zendesk", "type"),
    ("intercom", "data.item.id"),
    ("intercom", "data.item.conversation_parts.conversation_parts.-1.author.type"),
    ("intercom", "data.item.conversation_parts.conversation_parts.-1.body"),
    ("freshdesk", "freshdesk_webhook.ticket_id"),
    ("freshdesk", "freshdesk_webhook.ticket_latest_public_comment"),
    ("freshservice", "freshservice_webhook.ticket_id"),
    ("freshchat", "data.message.conversation_id"),
    ("freshchat", "data.message.message_parts"),
    ("front-app", "payload.conversation.id"),
    ("front-rule", "conversation.id"),
    ("hubspot", "objectId"),
    ("hubspot", "messageId"),
    ("gorgias", "ticket_id"),
    ("gorgias", "from_agent"),
    ("kustomer", "data.relationships.conversation.data.id"),
    ("kustomer", "data.attributes.direction"),
    ("kustomer", "data.attributes.preview"),
    ("jira", "issue.key"),
    ("jira", "comment.author.accountType"),
    ("jira", "comment.body"),
    ("jira", "comment.id"),
    ("crisp-plugin", "data.session_id"),
    ("crisp-plugin", "data.from"),
    ("crisp-plugin", "data.content"),
    ("chatwoot", "conversation.id"),
    ("chatwoot", "message_type"),
    ("chatwoot", "content"),
    ("gladly", "content.conversationId"),
    ("gladly", "content.messageId"),
    ("dixa", "data.conversation.csid"),
    ("dixa", "data.author.user_type"),
    ("dixa", "data.text"),
    ("zoho-desk", "payload.ticketId"),
    ("zoho-desk", "payload.direction"),
    ("zoho-desk", "payload.content"),
]


def without(document, path):
    """Remove what stands at a path, in the first event of a batch too."""
    holder = document[0] if isinstance(document, list) else document
    *parents, last = path.split(".")
    for step in parents:
        holder = holder[int(step)] if step.lstrip("-").isdigit() else holder[step]
    del holder[last]
    return document


def read(one, document):
    request = one.sample()
    [event] = one.kind.read(request_of(document, request.headers), one.source)
    return event, decide(event, one.kind.rules(one.source))


@pytest.mark.parametrize(("name", "path"), PROMISED, ids=[f"{name}-{path}" for name, path in PROMISED])
def test_a_promised_field_that_is_gone_is_named(name, path):
    """The event is held as drift, and the detail is the path that has nothing."""
    one = BY_NAME[name]
    event, decision = read(one, without(json.loads(one.sample().body), path))
    assert event.drift == path
    assert decision == Hold("drift", path)


@pytest.mark.parametrize("name", ["standard", "zendesk", "intercom", "gorgias", "kustomer", "dixa"])
def test_a_reply_without_words_is_no_drift(name):
    """A null where the text stands (attachments only) is a reply without text."""
    one = BY_NAME[name]
    document = json.loads(one.sample(message="the words").body)
    text = json.dumps(document)
    for written in ('"the words"', '"<p>the words</p>"'):
        text = text.replace(written, "null")
    event, decision = read(one, json.loads(text))
    assert (event.text, event.drift) == (None, None)
    assert not isinstance(decision, Hold)


def test_what_asks_for_nothing_is_ignored_though_it_drifted():
    """Held events are only those that may be a customer's: an agent's is ignored without its ticket too."""
    one = BY_NAME["zendesk"]
    document = json.loads(one.sample().body)
    document["event"]["comment"]["author"]["is_staff"] = True
    event, decision = read(one, without(document, "detail.id"))
    assert (event.drift, type(decision)) == ("detail.id", Ignore)


def test_a_map_takes_the_place_of_a_missing_field_or_is_named_itself():
    """A mapped field is not missed in the payload; where the map finds nothing either, the map is named."""
    one = BY_NAME["zendesk"]
    document = without(json.loads(one.sample().body), "detail.id")
    mapped = source_of("zendesk", SECRET, map={"ticket_id": "subject"})
    [event] = one.kind.read(request_of(document), mapped)
    assert (event.ticket_id, event.drift) == ("zen:ticket:4711", None)
    [event] = one.kind.read(request_of(document), source_of("zendesk", SECRET, map={"ticket_id": "nowhere"}))
    assert event.drift == "map.ticket_id"


def test_an_expression_that_fails_on_a_payload_is_drift():
    """A map's expression that cannot be computed for this payload is named."""
    source = source_of("zendesk", SECRET, map={"contact_id": "abs(subject)"})
    [event] = KINDS["zendesk"].read(BY_NAME["zendesk"].sample(), source)
    assert event.drift == "map.contact_id"


def test_hints_of_who_wrote_that_are_not_understood_hold():
    """A word for the author that the kind does not know is held with its path, never taken for a customer."""
    one = BY_NAME["dixa"]
    document = json.loads(one.sample().body)
    document["data"]["author"]["user_type"] = "Robot"
    _, decision = read(one, document)
    assert decision == Hold("drift", "data.author.user_type")


def test_freshdesks_comment_of_somebody_else_is_held():
    """A latest comment that does not begin with the requester's name may be anybody's."""
    one = BY_NAME["freshdesk"]
    document = json.loads(one.sample().body)
    document["freshdesk_webhook"]["ticket_latest_public_comment"] = "Somebody Else : <b>Hi</b>"
    event, decision = read(one, document)
    assert (event.text, decision.reason) == ("Somebody Else : Hi", "author_unknown")


def test_a_blank_id_is_held():
    """An event id that is blank or null cannot tell repeated deliveries apart."""
    one = BY_NAME["zendesk"]
    for blank in ("", "  ", None):
        event, decision = read(one, {**json.loads(one.sample().body), "id": blank})
        assert (event.event_id, decision.reason) == ("", "event_id_blank")
