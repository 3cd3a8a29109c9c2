"""What was said to Acquire is there for a reopen that is in trouble, and for no other."""

from __future__ import annotations

import httpx

from tests.running import TOKEN, Whole, reply, until

WORDS = "PRIVATE-WORDS-OF-A-CUSTOMER anna@example.com"
SCRIPT = "<script>document.title='taken'</script>"
REFUSAL = f'{{"message": "{SCRIPT} {WORDS}", "type": "ERROR_INVALID_INPUT", "{SCRIPT}": 1}}'


def test_what_was_said_before_it_died(whole: Whole):
    """The bodies of a refused call, without the customer's words, on its page and over the API."""
    whole.faults({"kind": "status", "on": "create", "status": 422, "body": REFUSAL})
    dead = whole.deliver(reply(message=WORDS, ticket_id=WORDS)).json()["reopen_id"]
    whole.until(dead, "dead")
    said = until(lambda: whole.exchanges(dead))
    refused = next(each for each in said if each["name"] == "reopen")
    assert refused["http_status"] == 422
    assert refused["request"].startswith("POST /crm/messenger/chat/create?contactId=597752")
    assert '"threadId": 1683' in refused["request"]
    assert f'"message": "<{len(WORDS)} characters>"' in refused["request"]
    assert '"type": "ERROR_INVALID_INPUT"' in refused["answer"]
    told = "".join(each["request"] + each["answer"] for each in said)
    assert "PRIVATE" not in told
    assert "@" not in told
    assert "key-for-tests-only" not in told
    assert whole.redis.ttl(f"reopener:bodies:{dead}") > 0
    page = page_of(whole, dead)
    assert "What was said" in page
    assert "ERROR_INVALID_INPUT" in page
    assert f"&lt;{len(WORDS)} characters&gt;" in page
    assert "<script>document" not in page


def test_nothing_is_kept_of_what_is_done(whole: Whole):
    """A reopen that ends well leaves no bodies, also where it was in trouble first."""
    well = whole.deliver(reply(thread_id=2001), event_id="well").json()["reopen_id"]
    whole.until(well, "reopened")
    whole.faults({"kind": "status", "status": 500, "on": "read"})
    late = whole.deliver(reply(thread_id=2002), event_id="late").json()["reopen_id"]
    until(lambda: whole.redis.exists(f"reopener:bodies:{late}"))
    page = page_of(whole, late)
    assert "Acquire was asked, and nothing was sent" in page
    whole.faults()
    whole.until(late, "reopened")
    assert whole.redis.keys("reopener:bodies:*") == []
    assert whole.exchanges(late) == []


def page_of(whole: Whole, reopen_id: str) -> str:
    with httpx.Client(base_url=whole.origin, trust_env=False, follow_redirects=True) as client:
        client.post("/login", data={"token": TOKEN})
        return client.get(f"/reopens/{reopen_id}").text
