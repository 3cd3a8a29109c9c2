"""Finding contact and thread: payload, link table, the customer's address; and how each doubt ends."""

from __future__ import annotations

import pytest


def held(desk, answer, reason):
    """The reopen, once it is held for this reason."""
    found = desk.whole.until(answer["reopen_id"], "held")
    assert found["reason"] == reason, found
    return found


def link_of(desk, source, ticket_id):
    return desk.whole.api("GET", f"/api/links/{source}/{ticket_id}")


def test_the_only_contact_of_an_address_and_its_newest_case_win(desk):
    """One contact, two threads: the newest case's thread goes on, and the ticket is linked from then on."""
    desk.contact(81_001, "only@example.com")
    desk.thread(81_001, 81_100)
    desk.thread(81_001, 81_200)
    answer = desk.reply("by-email", ticket_id="E1", customer_email=" Only@Example.com ")
    found = desk.whole.until(answer["reopen_id"], "reopened")
    assert (found["contact_id"], found["thread_id"]) == (81_001, 81_200)
    assert link_of(desk, "by-email", "E1").json()["thread_id"] == 81_200
    # Without an address this time: the link is enough.
    second = desk.reply("by-email", ticket_id="E1", message="And again.")
    assert desk.whole.until(second["reopen_id"], "appended")["thread_id"] == 81_200


def test_an_address_of_two_contacts_is_for_a_person(desk):
    """Held with both ids; no case is made; a resolution sends it on and links its ticket."""
    for contact_id in (82_001, 82_002):
        desk.contact(contact_id, "twins@example.com")
        desk.thread(contact_id, contact_id + 100)
    answer = desk.reply("by-email", ticket_id="E2", customer_email="twins@example.com")
    found = held(desk, answer, "contact_ambiguous")
    assert "82001" in found["detail"]
    assert "82002" in found["detail"]
    told = {"contact_id": 82_002, "thread_id": 82_102}
    desk.whole.api("POST", f"/api/reopens/{found['id']}/resolve", told).raise_for_status()
    assert desk.whole.until(found["id"], "reopened")["thread_id"] == 82_102
    assert link_of(desk, "by-email", "E2").json()["contact_id"] == 82_002
    assert len(desk.whole.cases(82_101)) == 2


def test_contacts_that_acquire_merged_are_one(desk):
    """Two contacts of one address of which one was merged into the other: the one that is left wins."""
    for contact_id in (83_001, 83_002):
        desk.contact(contact_id, "merged@example.com")
    desk.thread(83_001, 83_100)
    desk.merge(83_002, into=83_001)
    answer = desk.reply("by-email", ticket_id="E3", customer_email="merged@example.com")
    found = desk.whole.until(answer["reopen_id"], "reopened")
    assert (found["contact_id"], found["thread_id"]) == (83_001, 83_100)


def test_a_linked_contact_that_was_merged_goes_on_as_the_other(desk):
    """Its thread was worked before: the next reply goes on as the contact it was merged into."""
    desk.contact(84_002, "gone@example.com")
    desk.thread(84_002, 84_100)
    link = {"contact_id": 84_002, "thread_id": 84_100}
    desk.whole.api("PUT", "/api/links/standard/E4", link).raise_for_status()
    desk.merge(84_002, into=84_001)
    answer = desk.reply("standard", ticket_id="E4")
    found = desk.whole.until(answer["reopen_id"], "reopened", "dead", "held")
    assert (found["status"], found["thread_id"]) == ("reopened", 84_100)
    [made] = [case for case in desk.whole.cases(84_100) if case["id"] == found["new_case_id"]]
    assert made["contact"]["id"] == 84_001


def test_a_thread_of_another_contact_makes_no_wrong_case(desk):
    """The link names a contact that the thread never was of: Acquire refuses, and its words show."""
    desk.contact(84_005, "other@example.com")
    desk.thread(84_006, 84_200)
    link = {"contact_id": 84_005, "thread_id": 84_200}
    desk.whole.api("PUT", "/api/links/standard/E9", link).raise_for_status()
    answer = desk.reply("standard", ticket_id="E9")
    found = desk.whole.until(answer["reopen_id"], "reopened", "dead", "held")
    assert (found["status"], found["thread_id"]) == ("dead", 84_200)
    assert "belongs to another contact" in found["reason"]
    assert {case["contact"]["id"] for case in desk.whole.cases(84_200)} == {84_006}


@pytest.mark.parametrize(
    ("ticket", "address", "reason"),
    [
        ("E5", "nobody@example.com", "contact_unknown"),
        ("E6", "caseless-e6@example.com", "thread_unknown"),
        ("E7", None, "contact_unknown"),
    ],
)
def test_what_cannot_be_found_waits_for_a_link(desk, ticket, address, reason):
    """No contact, a contact without a case, no address: held; a link sends all held replies on, in order."""
    contact_id, thread_id = 85_000 + int(ticket[1]), 85_100 + int(ticket[1])
    desk.contact(contact_id, f"caseless-{ticket.lower()}@example.com")
    first = desk.reply("by-email", ticket_id=ticket, customer_email=address, message="First.")
    held(desk, first, reason)
    second = desk.reply("by-email", ticket_id=ticket, customer_email=address, message="Second.")
    held(desk, second, reason)
    told = {"contact_id": contact_id, "thread_id": thread_id}
    answer = desk.whole.api("PUT", f"/api/links/by-email/{ticket}", told)
    assert answer.status_code == 200, answer.text
    case_id = desk.whole.until(first["reopen_id"], "reopened")["new_case_id"]
    assert desk.whole.until(second["reopen_id"], "appended")["new_case_id"] == case_id
    [made] = [case for case in desk.whole.cases(thread_id) if case["id"] == case_id]
    assert [message["message"] for message in made["messages"]] == ["First.", "Second."]


def test_what_the_payload_says_wins_over_the_link(desk):
    """The link table is asked only where the payload does not know."""
    desk.whole.api("PUT", "/api/links/standard/E8", {"contact_id": 86_001, "thread_id": 86_100})
    answer = desk.reply("standard", ticket_id="E8", contact_id=86_002, thread_id=86_200)
    found = desk.whole.until(answer["reopen_id"], "reopened")
    assert (found["contact_id"], found["thread_id"]) == (86_002, 86_200)
