"""One reply, one reopen: the ids that make several events and deliveries of one reply one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from service.domain.decide import Accept, Hold, Ignore, decide
from service.sources import KINDS, Malformed, Rejected
from service.sources.kind import MOST_EVENTS
from tests.unit.sources.configured import CONFIGURED, SECRET
from tests.unit.sources.deliveries import NOW, URL, request_of, source_of

BY_NAME = {one.name: one for one in CONFIGURED}


def read(kind, document, headers=None, **options):
    source = source_of(kind, SECRET, **options)
    [event] = KINDS[kind].read(request_of(document, headers), source)
    return event, decide(event, KINDS[kind].rules(source))


def body_of(name, **values):
    return json.loads(BY_NAME[name].sample(**values).body)


def test_intercoms_two_topics_share_the_part():
    """A reply under the topics of conversation and ticket has two event ids and one message id."""
    first = body_of("intercom", event_id="notif_1")
    second = {**body_of("intercom", event_id="notif_1"), "id": "notif_2", "topic": "ticket.contact.replied"}
    (one, _), (two, _) = read("intercom", first), read("intercom", second)
    assert one.event_id != two.event_id
    assert (one.ticket_id, one.message_id) == (two.ticket_id, two.message_id)
    assert one.message_id


def ticket_of_intercom(*parts):
    document = {**body_of("intercom"), "topic": "ticket.contact.replied"}
    del document["data"]["item"]["conversation_parts"]
    document["data"]["item"]["ticket_parts"] = {"type": "ticket_part.list", "ticket_parts": list(parts)}
    return document


OF_CUSTOMER = {"id": "1", "part_type": "comment", "body": "<p>old</p>", "author": {"type": "user"}}
OF_AGENT = {"id": "2", "part_type": "comment", "body": "<p>theirs</p>", "author": {"type": "admin"}}
OF_CUSTOMER_AGAIN = {**OF_CUSTOMER, "id": "3", "body": "<p>new</p>"}
OF_WORKFLOW = {"id": "4", "part_type": "ticket_state_updated_by_workflow", "author": {"type": "bot"}}


def test_intercoms_ticket_tells_of_the_customers_newest_part():
    """A ticket lists every part it has: what a workflow did with the reply does not stand for the reply."""
    parts = [OF_CUSTOMER, OF_AGENT, OF_CUSTOMER_AGAIN, OF_WORKFLOW]
    event, decision = read("intercom", ticket_of_intercom(*parts))
    assert (event.message_id, event.text, event.author) == ("3", "new", "customer")
    assert isinstance(decision, Accept)


@pytest.mark.parametrize("part", [OF_AGENT, OF_WORKFLOW])
def test_intercoms_ticket_without_a_part_of_the_customer_is_no_reply(part):
    """Where nobody but agents and workflows wrote, the last of them did."""
    event, decision = read("intercom", ticket_of_intercom(part))
    assert event.message_id == part["id"]
    assert isinstance(decision, Ignore)


def test_fronts_inbound_and_reopen_share_the_message():
    """A reply and the reopening it causes are one, with the customer's words in either."""
    inbound = body_of("front-rule")
    reopen = {**inbound, "id": "evt_2", "type": "reopen", "source": {"_meta": {"type": "inboxes"}}}
    del reopen["target"]
    (one, first), (two, second) = (read("front", each, variant="rule") for each in (inbound, reopen))
    assert (one.ticket_id, one.message_id, one.text) == (two.ticket_id, two.message_id, two.text)
    assert isinstance(first, Accept)
    assert isinstance(second, Accept)


@pytest.mark.parametrize("actor", [{}, [], 1, None])
def test_fronts_reopening_by_an_unreadable_actor_is_told_by_the_message(actor):
    """Whatever stands where the actor's type should be, the conversation's last message says who wrote."""
    reopen = {**body_of("front-rule"), "type": "reopen", "target": None, "source": {"_meta": {"type": actor}}}
    event, decision = read("front", reopen, variant="rule")
    assert event.author == "customer"
    assert isinstance(decision, Accept)


def test_fronts_app_and_rule_at_one_address_share_the_message():
    """With both secrets on one source, each form verifies by its own scheme, and they name one message."""
    both = BY_NAME["front-both"]
    source = both.with_secrets("the app's signing key", "the company's API secret")
    app = both.sample(BY_NAME["front-app"].with_secrets("the app's signing key"), event_id="evt_1")
    rule = BY_NAME["front-rule"].sample(
        BY_NAME["front-rule"].with_secrets("the company's API secret"), event_id="evt_1"
    )
    events = []
    for request in (app, rule):
        both.kind.verify(request, source, NOW)
        events += both.kind.read(request, source)
    assert {(event.ticket_id, event.message_id) for event in events} == {("4711", events[0].message_id)}
    undated = {name: value for name, value in app.headers.items() if name != "x-front-request-timestamp"}
    with pytest.raises(Rejected):
        both.kind.verify(replace(app, headers=undated), source, NOW)


def test_zendesks_status_event_is_left_to_the_comments():
    """The status event of a reply asks for nothing: the comment's event does."""
    document = body_of("zendesk")
    document |= {
        "type": "zen:event-type:ticket.status_changed",
        "event": {"current": "OPEN", "previous": "SOLVED"},
    }
    _, decision = read("zendesk", document)
    assert isinstance(decision, Ignore)


def test_freshchats_reopening_has_no_text_to_append():
    """The reopening that a message causes carries no words, so it can never become a second message."""
    opened = {
        "actor": {"actor_type": "user", "actor_id": "u1"},
        "action": "conversation_reopen",
        "data": {"reopen": {"reopener": "user", "reopener_id": "u1", "interaction_id": "i1",
                            "conversation": {"conversation_id": "c1", "status": "reopened"}}},
    }  # fmt: skip
    event, decision = read("freshchat", opened)
    assert isinstance(decision, Accept)
    assert event.text is None


@pytest.mark.parametrize("kind", ["zendesk", "hmac"])
def test_a_replay_under_another_unsigned_id_is_known(kind):
    """Where the event id stands in an unsigned header, what is signed makes the message id."""
    options = {"header": "x-sig", "id_header": "x-id"} if kind == "hmac" else {}
    body = json.loads(BY_NAME["standard"].sample().body)
    name = "x-id" if kind == "hmac" else "x-zendesk-webhook-invocation-id"
    stamp = {"x-zendesk-webhook-signature-timestamp": "2026-11-23T10:00:00Z"} if kind == "zendesk" else {}
    (one, _), (two, _) = (read(kind, body, {name: each, **stamp}, **options) for each in ("1", "2"))
    assert (one.event_id, two.event_id) == ("1", "2")
    assert one.message_id == two.message_id is not None
    other = read(kind, {**body, "timestamp": "x"}, {name: "3", **stamp}, **options)[0]
    assert other.message_id != one.message_id
    named, _ = read(
        kind, {**body, "data": {**body["data"], "message_id": "m1"}}, {name: "4", **stamp}, **options
    )
    assert named.message_id == "m1"


def test_helpscouts_replayed_name_does_not_make_a_new_reply():
    """An old body sent under another event's name has the message id it always had."""
    one = BY_NAME["helpscout"]
    request = one.sample()
    [first] = one.kind.read(request, one.source)
    [second] = one.kind.read(replace(request, headers={"x-helpscout-event": "convo.created"}), one.source)
    assert first.message_id == second.message_id
    assert isinstance(decide(second, one.kind.rules(one.source)), Ignore)


def test_helpscouts_reply_is_the_newest_customers_thread():
    """Of all threads of a conversation, the newest one that a customer wrote is the reply."""
    document = body_of("helpscout")
    threads = [
        {"id": 1, "createdBy": {"type": "customer"}, "createdAt": "2026-11-20T10:00:00Z", "body": "old"},
        {"id": 2, "createdBy": {"type": "user"}, "createdAt": "2026-11-24T10:00:00Z", "body": "agent"},
        {"id": 3, "createdBy": {"type": "customer"}, "createdAt": "2026-11-23T10:00:00Z", "body": "new"},
    ]
    document["_embedded"] = {"threads": threads}
    event, _ = read("helpscout", document, {"x-helpscout-event": "convo.customer.reply.created"})
    assert (event.text, event.message_id, event.event_id) == (
        "new",
        "3",
        "convo.customer.reply.created:4711:3",
    )


def test_events_of_a_batch_without_ids_are_told_apart():
    """Where the body's hash stands for an id, each event of a batch has its own."""
    template = json.loads(BY_NAME["standard"].sample().body)
    source = source_of("hubspot", SECRET)
    events = KINDS["hubspot"].read(request_of([template, template]), source)
    assert events[0].event_id != events[1].event_id


@pytest.mark.parametrize(
    ("kind", "minutes"), [("freshdesk", 100), ("freshservice", 100), ("static", 1440), ("acquire", 1440)]
)
def test_without_an_event_id_the_body_counts_for_the_retry_schedule(kind, minutes):
    """A weak id lasts as long as that helpdesk repeats, and is the body's hash."""
    one = next(one for one in CONFIGURED if one.source.kind == kind)
    [event] = one.kind.read(one.sample(), one.source)
    assert event.event_id.startswith("sha256-")
    assert event.weak_id_window_seconds == minutes * 60
    [strong] = KINDS["static"].read(request_of({"id": "7"}), source_of("static", map={"event_id": "id"}))
    assert (strong.event_id, strong.weak_id_window_seconds) == ("7", None)


def test_a_batch_is_several_events():
    """HubSpot's array of two messages is two events, and one element that is no object spoils it whole."""
    batch = body_of("hubspot") + body_of("hubspot", event_id="evt_2")
    source = source_of("hubspot", SECRET)
    events = KINDS["hubspot"].read(request_of(batch), source)
    assert [event.event_id for event in events] == ["4711-evt_1", "4711-evt_2"]
    assert all(isinstance(decide(each, KINDS["hubspot"].rules(source)), Hold) for each in events)


@pytest.mark.parametrize("kind", ["hubspot", "zoho-desk"])
def test_a_batch_has_a_bound(kind):
    """A body of more events than any helpdesk sends is refused before it holds everything up."""
    source = source_of(kind, SECRET)
    assert len(KINDS[kind].read(request_of([{}] * MOST_EVENTS), source)) == MOST_EVENTS
    with pytest.raises(Malformed) as malformed:
        KINDS[kind].read(request_of([{}] * (MOST_EVENTS + 1)), source)
    assert malformed.value.slug == "too_many_events"
    assert str(MOST_EVENTS) in malformed.value.message


def test_hubspots_internal_comment_is_no_reply():
    """A COMMENT is an internal note, whoever wrote it."""
    [document] = body_of("hubspot")
    _, decision = read("hubspot", {**document, "messageType": "COMMENT"})
    assert isinstance(decision, Ignore)
    assert decision.reason == "private_note"


TEMPLATES = ["zendesk", "freshdesk", "freshservice", "gorgias", "hubspot", "static"]


@pytest.mark.parametrize("kind", TEMPLATES)
def test_our_template_works_wherever_people_write_the_body(kind):
    """The contract's body is read by every kind whose rules, triggers or workflows let people write it."""
    body = json.loads(BY_NAME["standard"].sample().body)
    headers = {"x-zendesk-webhook-invocation-id": "1", "x-zendesk-webhook-signature-timestamp": "t"}
    event, decision = read(kind, body, headers)
    assert decision == Accept(contact_id=597752, thread_id=1683)
    assert (event.ticket_id, event.text, event.drift) == ("4711", "It broke again.", None)


def test_urls_of_samples_are_the_addresses_they_are_sent_to():
    """A key in the URL is appended to the address, whatever stands there already."""
    one = BY_NAME["gorgias"]
    assert one.sample().url == f"{URL}?key={SECRET}"
    request = one.kind.sample(one.source, url=f"{URL}?a=b", now=NOW, event_id="e")
    assert request.url == f"{URL}?a=b&key={SECRET}"
