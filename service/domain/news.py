"""What a look shows that the baseline of a call lacks: perhaps its effect (rule 5 of docs/protocol.md)."""

from __future__ import annotations

from service.domain.cases import CLOCK_MARGIN_MS, WRONG_CLOCK_MS, Case, Look, Message
from service.domain.text import carries
from service.domain.threads import Effect, Intent, Thread


def fresh(intent: Intent, thread: Thread, look: Look) -> list[tuple[Effect, tuple[str, ...], list[str]]]:
    """What is new since the baseline and claimed by nobody, with its marks and the texts it shows."""
    if intent.kind == "create":
        return [
            (Effect("case", case.id), case.marks, _texts(case, look))
            for case in _new_cases(intent, thread, look)
            if not _may_lack_older(intent, look)
            or intent.token in " ".join(case.marks)
            or not _older(case, intent, CLOCK_MARGIN_MS)
        ]
    baseline = _first_baseline(intent, thread)
    return [
        (Effect("message", message.id), (), [message.text] if message.text else [])
        for message in messages_of(intent.case_id, look)
        if message.id not in baseline and thread.owner(Effect("message", message.id)) is None
        # Where the baseline was the last message alone, what came before that is no news.
        if intent.view != "last_message" or message.id > max(baseline, default=0)
    ]


def doubtful(intent: Intent, thread: Thread, look: Look) -> list[Effect]:
    """Cases that seem to be older than the intent, and have its words: ours, if a clock is wrong by hours."""
    if intent.kind != "create" or not _may_lack_older(intent, look) or intent.words is None:
        return []
    return [
        Effect("case", case.id)
        for case in _new_cases(intent, thread, look)
        if _older(case, intent, CLOCK_MARGIN_MS)
        and not _older(case, intent, WRONG_CLOCK_MS)
        and any(carries(text, intent.words) for text in _texts(case, look))
    ]


def _new_cases(intent: Intent, thread: Thread, look: Look) -> list[Case]:
    """Those that the baseline lacks and nobody claims."""
    baseline = _first_baseline(intent, thread)
    return [
        case
        for case in look.cases.values()
        if case.id not in baseline and thread.owner(Effect("case", case.id)) is None
    ]


def _first_baseline(intent: Intent, thread: Thread) -> frozenset[int]:
    """The baseline of the reopen's first intent of this kind: what an earlier call did is new to it too."""
    for earlier in thread.intents_of(intent.reopen_id):
        if (earlier.kind, earlier.case_id) == (intent.kind, intent.case_id):
            return earlier.seen
    return intent.seen


def _texts(case: Case, look: Look) -> list[str]:
    shown = [case.text] if case.text else []
    return [*shown, *(message.text for message in messages_of(case.id, look) if message.text)]


def messages_of(case_id: int | None, look: Look) -> tuple[Message, ...]:
    if look.messages is None or case_id is None:
        return ()
    return look.messages.by_case.get(case_id, ())


def _may_lack_older(intent: Intent, look: Look) -> bool:
    """Whether the baseline may not have shown a case that was there: the thread's own list shows all that the
    contact's cases show of it, and more.
    """
    return (intent.view, look.view) == ("contact", "thread")


def _older(case: Case, intent: Intent, margin_ms: int) -> bool:
    """Whether the case was made before the intent, so that a baseline which lacks it only did not show it."""
    return case.created_ms is not None and case.created_ms < intent.at_ms - margin_ms
