"""Every helpdesk through the running service and the sandbox: a reply in, a case out; forgeries stay out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.running import until
from tests.system.desk import BY_NAME
from tests.unit.sources.configured import CONFIGURED, rsa_keys_of

MAPPED = [one for one in CONFIGURED if one.name != "acquire"]
each = pytest.mark.parametrize("one", MAPPED, ids=[one.name for one in MAPPED])


@each
def test_a_reply_becomes_a_case_once(desk, one):
    """A signed sample is accepted and becomes one case with the customer's words; sent again it is known."""
    thread_id = 5_000 + MAPPED.index(one)
    request = desk.signed(one, ticket_id=f"10{thread_id}", contact_id=597752, thread_id=thread_id)
    answer = desk.sends(request)
    assert answer.status_code == 200, answer.text
    [told] = answer.json().get("results", [answer.json()])
    assert told["status"] == "accepted", told
    assert desk.whole.until(told["reopen_id"], "reopened")["ticket_id"] == f"10{thread_id}"
    again = desk.sends(request).json()
    [known] = again.get("results", [again])
    assert (known["status"], known["reopen_id"]) == ("duplicate", told["reopen_id"])
    made = [case for case in desk.whole.cases(thread_id) if case["id"] != thread_id]
    # Of some, the payload has no words: HubSpot's and Gladly's are to be had by their API alone.
    said = "" if one.kind.name in {"hubspot", "gladly"} else "It broke again."
    assert [case["description"] for case in made] == [said]


@each
def test_a_forgery_is_refused_and_named(desk, one):
    """A body altered on the way, another secret, an old time: 401 each, with its slug and likely mistake."""
    request = desk.signed(one)
    forged = {}
    if one.proves_body:
        forged["signature_mismatch"] = [replace(request, body=request.body.replace(b"broke", b"blew!", 1))]
        if b"broke" not in request.body:
            forged["signature_mismatch"] = [replace(request, body=request.body.replace(b"4711", b"4712", 1))]
    if one.proves_time:
        forged["timestamp_too_old"] = [desk.signed(one, seconds_ago=3_600)]
    if one.signing_key:
        stranger, _, _ = rsa_keys_of("stranger")
        forged.setdefault("signature_mismatch", []).append(desk.signed(one, signing_key=stranger))
    else:
        slug = "signature_mismatch" if one.proves_body else "secret_mismatch"
        other = desk.signed(one, source=one.with_secrets(one.other_secret))
        forged.setdefault(slug, []).append(other)
    for slug, requests in forged.items():
        for forgery in requests:
            answer = desk.sends(forgery)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, slug)
            assert answer.json()["error"]["message"]

    def all_told():
        told = desk.refusals(one.name)
        return told if {each["reason"] for each in told} >= forged.keys() else None

    assert all(each["detail"] for each in until(all_told))
    metrics = desk.whole.client.get("/metrics").text
    for slug in forged:
        labels = f'{{reason="{slug}",source="{one.name}",verdict="rejected"}}'
        assert f"reopener_deliveries_total{labels}" in metrics


@pytest.mark.parametrize(
    ("name", "unsigned"),
    [("helpscout", "x-helpscout-event"), ("jira", "x-atlassian-webhook-identifier"), ("hmac", "x-id")],
)
def test_an_unsigned_id_or_name_cannot_make_a_reply_new(desk, name, unsigned):
    """A captured delivery that comes again under another id or name in its headers is known, or ignored."""
    one = BY_NAME[name]
    thread_id = 6_100 + list(BY_NAME).index(name)
    first = desk.signed(one, ticket_id=f"12{thread_id}", contact_id=597752, thread_id=thread_id)
    told = desk.sends(first).json()
    assert told["status"] == "accepted"
    unsigned = {"helpscout": "x-helpscout-event", "jira": "x-atlassian-webhook-identifier", "hmac": "x-id"}[
        name
    ]
    for value in ("another", "convo.customer.reply.created"):
        replayed = desk.sends(replace(first, headers={**first.headers, unsigned: value})).json()
        assert replayed["status"] in {"duplicate", "ignored"}
        assert replayed.get("reopen_id", told["reopen_id"]) == told["reopen_id"]
