"""Whose reply is it, where the event names no thread: its ticket's link or the customer's address tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.domain.ports import Claimed
    from workers.head import Head


async def find_thread(head: Head) -> Claimed | None:
    """The event told neither contact nor thread: a link that was put since may, or the customer's address,
    if it is one contact's.
    """
    ledger, acquire, email = head.tools.ledger, head.tools.acquire, head.reopen.email
    linked = await ledger.linked(head.reopen)
    if linked is not None:
        await ledger.place(head.lease, head.reopen, *linked)
        return None
    if not email:
        return (await head.hold("contact_unknown", "nothing tells whose it is: resolve it")).following
    contacts = await acquire.find_contacts(email)
    if not contacts:
        return (await head.hold("contact_unknown", "no contact in Acquire has this address")).following
    if len(contacts) > 1:
        words = "these contacts have this address: " + ", ".join(map(str, contacts))
        return (await head.hold("contact_ambiguous", words)).following
    cases = await acquire.read_contact_cases(contacts[0])
    if not cases:
        words = f"contact {contacts[0]} has no case yet"
        return (await head.hold("thread_unknown", words)).following
    newest = max(cases, key=lambda case: case.id)
    await ledger.place(head.lease, head.reopen, contacts[0], newest.thread_id)
    return None
