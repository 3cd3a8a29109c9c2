"""The customer's words, read back from Acquire: ours are dropped once they are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.look import with_messages

if TYPE_CHECKING:
    from service.domain.cases import Look
    from service.domain.reopens import Reopen
    from service.domain.threads import Thread
    from workers.head import Head


async def dropped_by(head: Head) -> Reopen | None:
    """The reopen that this one does once more, where its words were dropped and are wanted again."""
    if not head.reopen.again_of or head.reopen.text:
        return None
    first = await head.tools.ledger.fetch(head.reopen.again_of)
    return first if first is not None and first.text_dropped else None


async def recall(head: Head, look: Look, first: Reopen) -> str | None:
    """The words that `first` brought to Acquire, as its case or message shows them; None where none does."""
    shown = _shown(head.thread, look, first)
    if shown is None and look.messages is None:
        look = await with_messages(head.tools.acquire, look, head.contact_id())
        shown = _shown(head.thread, look, first)
    return shown


def _shown(thread: Thread, look: Look, first: Reopen) -> str | None:
    found = thread.effect_of(first.id)
    if found is None:
        return None
    effect, claim = found
    messages = look.messages.by_case.get(claim.case_id, ()) if look.messages else ()
    if effect.kind == "message":
        return next((message.text for message in messages if message.id == effect.id), None)
    case = look.cases.get(effect.id)
    if case is not None and case.text:
        return case.text
    opening = min(messages, key=lambda message: message.id, default=None)
    return opening.text if opening else None
